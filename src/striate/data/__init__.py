"""Data sets: opened, checked, split, cached and made into batches."""

from striate.data.dataset import ALL, Dataset, open_by_recipe, open_dataset, open_unsplit, slicing_of

__all__ = ["ALL", "Dataset", "open_by_recipe", "open_dataset", "open_unsplit", "slicing_of"]
