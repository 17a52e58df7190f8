"""The nouns. They know nothing but the error tree."""

from striate.structures.annotation import (
    MOST_MASK_CLASSES,
    SPATIAL_TASKS,
    VOID,
    Annotation,
    AnnotationSource,
    Boxes,
    Instances,
    Label,
    Labels,
    Mask,
)
from striate.structures.counting import Count, plural
from striate.structures.evenly import evenly
from striate.structures.features import FeatureSpec, Stage
from striate.structures.levels import Levels
from striate.structures.medical import NOT_A_MEDICAL_DEVICE, statement
from striate.structures.picture import Picture
from striate.structures.placement import Frames, Placement
from striate.structures.prediction import (
    SHOWN_FROM,
    ClassScores,
    DetectedInstances,
    DetectedObjects,
    Prediction,
    SegmentedPicture,
    prediction_of_document,
)
from striate.structures.problem import Problem
from striate.structures.ragged import Ragged
from striate.structures.sample import PictureSource, Sample
from striate.structures.volume import PLANES, Geometry, Slicing, Turn, Volume

__all__ = [
    "MOST_MASK_CLASSES",
    "NOT_A_MEDICAL_DEVICE",
    "PLANES",
    "SHOWN_FROM",
    "SPATIAL_TASKS",
    "VOID",
    "Annotation",
    "AnnotationSource",
    "Boxes",
    "ClassScores",
    "Count",
    "DetectedInstances",
    "DetectedObjects",
    "FeatureSpec",
    "Frames",
    "Geometry",
    "Instances",
    "Label",
    "Labels",
    "Levels",
    "Mask",
    "Picture",
    "PictureSource",
    "Placement",
    "Prediction",
    "Problem",
    "Ragged",
    "Sample",
    "SegmentedPicture",
    "Slicing",
    "Stage",
    "Turn",
    "Volume",
    "evenly",
    "plural",
    "prediction_of_document",
    "statement",
]
