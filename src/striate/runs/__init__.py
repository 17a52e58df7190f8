"""The run folder on disk, the report made from it, and a finished run as an object."""

from striate.runs.environment import describe_environment
from striate.runs.files import atomic_write
from striate.runs.folder import RunFolder
from striate.runs.report import write_report
from striate.runs.run import Run
from striate.runs.structures import PicturePrediction, RunFacts, SplitScores

__all__ = [
    "PicturePrediction",
    "Run",
    "RunFacts",
    "RunFolder",
    "SplitScores",
    "atomic_write",
    "describe_environment",
    "write_report",
]
