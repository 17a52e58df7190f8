"""Annotation formats: sniff, read, write. One file each."""

from striate.formats.base import FORMATS, Format, Reading, Sniff, find_format, read_folder

__all__ = ["FORMATS", "Format", "Reading", "Sniff", "find_format", "read_folder"]
