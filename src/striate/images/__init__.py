"""Pixels <-> files: photographs, TIFF, arrays; channels.

Importing this is cheap: decoders are loaded with the first picture.
"""

from striate.images.arrays import ArraySource, array_shapes, load_array, read_entries, read_idx_header
from striate.images.channel_choice import ChannelChoice, choose_channels
from striate.images.channels import to_channels
from striate.images.damage import LineEndingDamage, find_line_ending_damage, lost_carriage_returns
from striate.images.kinds import KINDS, MAX_PIXELS, Header, PictureKind, natural_channel_names
from striate.images.reading import (
    PICTURE_SUFFIXES,
    FileSource,
    is_picture_path,
    read_header,
    read_picture,
    read_with_header,
    sniff_kind,
)
from striate.images.stacks import Stacks, StackSource, beside, find_stacks, gather_stacks
from striate.images.writing import lossless_suffix, write_picture

__all__ = [
    "KINDS",
    "MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "ArraySource",
    "ChannelChoice",
    "FileSource",
    "Header",
    "LineEndingDamage",
    "PictureKind",
    "StackSource",
    "Stacks",
    "array_shapes",
    "beside",
    "choose_channels",
    "find_line_ending_damage",
    "find_stacks",
    "gather_stacks",
    "is_picture_path",
    "load_array",
    "lossless_suffix",
    "lost_carriage_returns",
    "natural_channel_names",
    "read_entries",
    "read_header",
    "read_idx_header",
    "read_picture",
    "read_with_header",
    "sniff_kind",
    "to_channels",
    "write_picture",
]
