"""Data sets: opened, checked, split, cached and made into batches."""

from striate.data.dataset import Dataset, open_by_recipe, open_dataset, slicing_of

__all__ = ["Dataset", "open_by_recipe", "open_dataset", "slicing_of"]
