"""Training: from a data set and a recipe to a finished run."""

from striate.training.compare import Comparison, compare
from striate.training.train import train

__all__ = ["Comparison", "compare", "train"]
