"""Pictures annotated by other picture files: a value for each class, a value or a file for each object."""

from striate.formats.masks import label_images, object_masks, semantic

__all__ = ["label_images", "object_masks", "semantic"]
