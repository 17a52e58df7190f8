"""From PyTorch's traced network to Keras layers with the same names, channels last, and back."""

from striate.tools.translation.program import Program
from striate.tools.translation.translate import translate

__all__ = ["Program", "translate"]
