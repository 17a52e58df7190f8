"""Tables that name pictures: one with their labels, one with their boxes."""

from striate.formats.tables import box_table, label_table

__all__ = ["box_table", "label_table"]
