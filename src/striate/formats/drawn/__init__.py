"""Shapes that people drew with an annotation tool: LabelMe and the VGG Image Annotator."""

from striate.formats.drawn import labelme, via

__all__ = ["labelme", "via"]
