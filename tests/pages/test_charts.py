import re

import plotly.graph_objects as go
import pytest

from striate.pages import BAD_COLOR, CHANNEL_COLORS, COLORWAY, GOOD_COLOR, NEUTRAL_COLOR, SPLIT_COLORS, WARNING_COLOR
from striate.pages.charts import DARK_TEMPLATE, LIGHT_TEMPLATE, PAGE_DARK, PAGE_LIGHT
from striate.pages.page import _asset


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_and_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


MEANINGS = {GOOD_COLOR, WARNING_COLOR, BAD_COLOR, NEUTRAL_COLOR}


@pytest.mark.parametrize("page", [PAGE_LIGHT, PAGE_DARK])
@pytest.mark.parametrize("colour", sorted({*COLORWAY, *MEANINGS, *SPLIT_COLORS.values(), *CHANNEL_COLORS.values()}))
def test_series_can_be_seen_on_light_and_dark(colour: str, page: str) -> None:
    assert contrast(colour, page) >= 3.0


def themes() -> list[dict[str, str]]:
    """Custom properties of the stylesheet: light and dark."""
    blocks = re.findall(r":root \{(.*?)\}", _asset("page.css"), re.S)
    return [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in blocks[:2]]


@pytest.mark.parametrize("theme", themes(), ids=["light", "dark"])
def test_text_can_be_read_on_every_ground(theme: dict[str, str]) -> None:
    for ground in ("page", "raised"):
        for text in ("text", "muted", "accent", "good", "warning", "bad"):
            assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
    for ground in ("good-back", "warning-back", "bad-back", "info-back"):
        assert contrast(theme["text"], theme[ground]) >= 4.5, ground


def test_charts_lie_on_the_page_colour_of_the_stylesheet() -> None:
    assert [theme["page"] for theme in themes()] == [PAGE_LIGHT, PAGE_DARK]


@pytest.mark.parametrize(("template", "page"), [(LIGHT_TEMPLATE, PAGE_LIGHT), (DARK_TEMPLATE, PAGE_DARK)])
def test_templates_are_plotly_templates_with_readable_text(template: dict[str, dict], page: str) -> None:
    go.layout.Template(template)
    assert contrast(template["layout"]["font"]["color"], page) >= 7.0
    assert contrast(template["layout"]["xaxis"]["tickfont"]["color"], page) >= 4.5
