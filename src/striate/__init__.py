"""Striate: from a folder of pictures to a convolutional neural network that you can trust and hand over."""

__version__ = "0.1.0"
