import numpy as np
import plotly.graph_objects as go
import pytest

from striate.pages import (
    Column,
    beside,
    callout,
    chart,
    code,
    details,
    fact_list,
    figures,
    format_number,
    heading,
    join,
    lines,
    note,
    table,
)


@pytest.fixture
def drawn() -> object:
    return chart(go.Figure(go.Bar(x=["a"], y=[1])), "bars <one>", caption="below")


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (3, "", "3"),
        (12_345, "", "12\u202f345"),
        (0.98765, "", "0.9877"),
        (1234.6, "", "1\u202f235"),
        (0.5, ".1%", "50.0%"),
        (np.float32(0.25), "", "0.25"),
        (np.int64(7), "", "7"),
        (float("inf"), "", "inf"),
    ],
)
def test_numbers_are_written_for_people(value: float, spec: str, text: str) -> None:
    assert format_number(value, spec) == text


def test_a_table_aligns_numbers_and_dashes_what_is_absent() -> None:
    html = str(
        table([{"class": "<cat>", "f1": 0.5}, {"class": "dog", "f1": None}], ["class", Column("f1", "F1", ".2f")]).html
    )
    assert '<th scope="col">class</th><th scope="col" class="number">F1</th>' in html
    assert '<td class="text">&lt;cat&gt;</td><td class="number" data-value="0.5">0.50</td>' in html
    assert '<td class="number">\N{EN DASH}</td>' in html


def test_a_table_takes_its_columns_from_the_first_row_and_numpy_numbers() -> None:
    html = str(table([{"n": np.int64(3), "nan": np.nan, "yes": True}]).html)
    assert 'data-value="3.0">3<' in html
    assert "\N{EN DASH}" in html
    assert '<td class="text">yes</td>' in html


def test_an_empty_table_is_a_table() -> None:
    assert "<tbody></tbody>" in str(table([]).html)


def test_a_part_in_a_cell_is_not_escaped_again() -> None:
    assert '<td class="text"><pre><code>x &lt; y</code></pre></td>' in str(table([{"c": code("x < y")}]).html)


def test_facts_and_figures() -> None:
    assert "<dt>a</dt><dd>1\u202f000</dd><dt>b</dt><dd>&lt;</dd>" in str(fact_list({"a": 1000, "b": "<"}).html)
    html = str(figures([("short", True), ("long", "a very long value")]).html)
    assert "<dd>yes</dd>" in html
    assert '<dd class="long">a very long value</dd>' in html


def test_a_callout_says_its_tone_in_words() -> None:
    html = str(callout("Overfit", "by 12 %", tone="warning").html)
    assert '<div class="callout warning" role="note">' in html
    assert '<span class="kind">Warning: </span>Overfit' in html
    assert "<p>by 12 %</p>" in html


def test_lists_headings_notes() -> None:
    assert str(lines(["a", "<"], ordered=True).html) == '<ol class="lines"><li>a</li><li>&lt;</li></ol>'
    assert str(heading("<").html) == "<h3>&lt;</h3>"
    assert str(note("n").html) == '<p class="quiet">n</p>'


def test_a_chart_inside_other_parts_is_not_forgotten(drawn: object) -> None:
    assert join(["text", details("more", [beside("left", drawn)])]).charts
    assert callout("c", drawn).charts
    assert lines([drawn]).charts
    assert not join(["text", details("more", "text")]).charts


def test_details_can_be_open() -> None:
    assert str(details("s", "b", opened=True).html).startswith("<details open><summary>s</summary>")


def test_a_chart_says_what_it_shows(drawn: object) -> None:
    html = str(drawn.html)
    assert 'aria-label="bars &lt;one&gt;"' in html
    assert "<noscript><p>bars &lt;one&gt;</p></noscript>" in html
    assert "<figcaption>below</figcaption>" in html


def test_a_chart_that_needs_webgl_is_refused() -> None:
    with pytest.raises(ValueError, match="scattergl needs WebGL"):
        chart(go.Figure(go.Scattergl(x=[1], y=[1])), "dots")
