"""Numbers bring their nouns into the right form."""

from __future__ import annotations

import pytest

from striate.structures import Count, plural


@pytest.mark.parametrize(
    ("count", "sentence"),
    [(0, "0 pictures have 0 masks"), (1, "1 picture has 1 mask"), (12, "12 pictures have 12 masks")],
)
def test_a_template_takes_both_forms_or_adds_an_s(count: int, sentence: str) -> None:
    template = "{count:picture has|pictures have} {count:mask}"
    assert template.format(count=Count(count)) == sentence


def test_a_count_without_a_noun_is_a_number() -> None:
    assert f"{Count(7)} {Count(7):>3} {Count(4500):,} {Count(7):03d}" == "7   7 4,500 007"


def test_plural() -> None:
    assert [plural(count, "epoch") for count in (0, 1, 2)] == ["0 epochs", "1 epoch", "2 epochs"]
