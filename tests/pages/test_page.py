import json
import re
from html.parser import HTMLParser
from pathlib import Path

import plotly.graph_objects as go
import pytest

from striate.errors import StorageError
from striate.pages import Section, chart, render_page, table, write_page
from striate.pages.charts import CHART_CONFIG
from striate.pages.page import json_for_script

FETCHING = {"src", "href", "srcset", "action", "poster", "data", "formaction", "xlink:href", "background"}


class Elements(HTMLParser):
    """Attributes that make a browser fetch something, the texts of scripts and styles, and all ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in FETCHING]
        self.ids += [value or "" for name, value in attrs if name == "id"]

        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside in self.texts:
            self.texts[self.inside].append(data)


def page(*sections: Section) -> str:
    return render_page("Title", sections)


@pytest.fixture(scope="module")
def with_charts() -> str:
    figure = go.Figure(go.Scatter(x=[1, 2], y=[3, 4], name="</script><script>alert(1)</script>"))
    return page(Section("One", [chart(figure, "a line"), chart(figure, "the same")]), Section("Two", "text"))


def test_nothing_is_fetched_from_anywhere(with_charts: str) -> None:
    elements = Elements(with_charts)
    assert elements.addresses
    assert all(address.startswith(("data:", "#")) for address in elements.addresses)
    assert not re.search(r"url\(|@import", "".join(elements.texts["style"]))
    assert "default-src 'none'" in with_charts
    assert "img-src data: blob:" in with_charts


def test_plotly_is_told_to_connect_to_nobody(with_charts: str) -> None:
    assert CHART_CONFIG["plotlyServerURL"] == ""
    assert not CHART_CONFIG["displaylogo"]
    assert not CHART_CONFIG["showSendToCloud"]
    assert "sendDataToCloud" in CHART_CONFIG["modeBarButtonsToRemove"]
    assert json_for_script(CHART_CONFIG) in with_charts


def test_the_chart_library_is_there_once_and_only_with_a_chart(with_charts: str) -> None:
    library = sum(len(text) > 1_000_000 for text in Elements(with_charts).texts["script"])
    assert library == 1
    without = page(Section("One", "text"))
    assert len(without) < 30_000
    assert "<script" not in without


def test_text_in_a_chart_cannot_end_its_script(with_charts: str) -> None:
    scripts = Elements(with_charts).texts["script"]
    assert with_charts.count("<script") == with_charts.count("</script>") == len(scripts)
    figures = [json.loads(text) for text in scripts if text.startswith('{"data"')]
    assert [figure["data"][0]["name"] for figure in figures] == ["</script><script>alert(1)</script>"] * 2
    assert all("template" not in figure["layout"] for figure in figures)


def test_titles_and_text_are_escaped() -> None:
    html = render_page("<b>", [Section("<i>", "<script>alert(1)</script>")], lead="<u>", footer="&")
    assert "<title>&lt;b&gt;</title>" in html
    assert '<h2 id="i-title">&lt;i&gt;</h2>' in html
    assert "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>" in html
    assert '<p class="lead">&lt;u&gt;</p>' in html
    assert "<script" not in html


def test_each_section_has_an_anchor_of_its_own_and_a_landmark() -> None:
    html = page(Section("Größe & co", ""), Section("Same", ""), Section("Same", ""), Section("", "", id="own"))
    ids = Elements(html).ids
    assert len(ids) == len(set(ids))
    assert {"gr-e-co", "same", "same-2", "own"} <= set(ids)
    targets = {address[1:] for address in Elements(html).addresses if address.startswith("#")}
    assert targets <= set(ids)
    for landmark in ("<header>", "<nav", "<main", 'lang="en"', "<footer>"):
        assert (landmark in html) == (landmark != "<footer>")


def test_contents_are_listed_from_three_sections_on() -> None:
    assert "<nav" not in page(Section("a", ""), Section("b", ""))
    assert "<nav" in page(Section("a", ""), Section("b", ""), Section("c", ""))


def test_only_a_sortable_table_brings_its_script() -> None:
    rows = [{"a": 1}, {"a": 2}]
    assert "aria-sort" in "".join(Elements(page(Section("t", table(rows, sortable=True)))).texts["script"])
    assert "<script" not in page(Section("t", table(rows)))


def test_a_page_is_written_whole(tmp_path: Path) -> None:
    path = write_page("<p>ä</p>", tmp_path / "new" / "page.html")
    assert path.read_text(encoding="utf-8") == "<p>ä</p>"
    assert [child.name for child in path.parent.iterdir()] == ["page.html"]


def test_a_page_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"page.html: the page cannot be written \(.+\)\. Choose another place"):
        write_page("", tmp_path / "file" / "page.html")
