"""Training: from a data set and a recipe to a finished run."""

from striate.training.comparison import Comparison, compare
from striate.training.lifecycle import train

__all__ = ["Comparison", "compare", "train"]
