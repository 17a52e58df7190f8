"""The run folder on disk, the report made from it, and a finished run as an object."""

from striate.runs.environment import describe_environment
from striate.runs.files import atomic_write
from striate.runs.folder import RunFolder
from striate.runs.structures import RunFacts, SplitScores

__all__ = ["RunFacts", "RunFolder", "SplitScores", "atomic_write", "describe_environment"]
