"""Building blocks of self-contained pages that work offline: sections, tables, charts, galleries."""

from striate.pages.charts import (
    BAD_COLOR,
    CHANNEL_COLORS,
    COLORWAY,
    GOOD_COLOR,
    NEUTRAL_COLOR,
    SPLIT_COLORS,
    WARNING_COLOR,
)
from striate.pages.overlays import BACKGROUND_COLOR, background_index, class_color, draw_annotation, legend
from striate.pages.page import Section, render_page, write_page
from striate.pages.part import Body, Part, join
from striate.pages.parts import (
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
    lines,
    note,
    table,
)
from striate.pages.pictures import Thumbnail, display_pixels, gallery, picture_uri, thumbnail

__all__ = [
    "BACKGROUND_COLOR",
    "BAD_COLOR",
    "CHANNEL_COLORS",
    "COLORWAY",
    "GOOD_COLOR",
    "NEUTRAL_COLOR",
    "SPLIT_COLORS",
    "WARNING_COLOR",
    "Body",
    "Column",
    "Part",
    "Section",
    "Thumbnail",
    "background_index",
    "beside",
    "callout",
    "chart",
    "class_color",
    "code",
    "details",
    "display_pixels",
    "draw_annotation",
    "fact_list",
    "figures",
    "format_number",
    "gallery",
    "heading",
    "join",
    "legend",
    "lines",
    "note",
    "picture_uri",
    "render_page",
    "table",
    "thumbnail",
    "write_page",
]
