"""The nouns. They know nothing but the error tree."""

from striate.structures.annotation import Annotation, Label, Labels
from striate.structures.features import FeatureSpec, Stage
from striate.structures.picture import Picture
from striate.structures.prediction import ClassScores, Prediction
from striate.structures.problem import Problem
from striate.structures.sample import PictureSource, Sample

__all__ = [
    "Annotation",
    "ClassScores",
    "FeatureSpec",
    "Label",
    "Labels",
    "Picture",
    "PictureSource",
    "Prediction",
    "Problem",
    "Sample",
    "Stage",
]
