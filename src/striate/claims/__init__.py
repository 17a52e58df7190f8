"""What people say about CNNs, each sentence an experiment on the user's own network and pictures."""

from striate.claims.base import CLAIMS, Claim, Drawing, Finding, Line, Measure
from striate.claims.bench import QUICK, THOROUGH, Bench, Effort
from striate.claims.measuring import Measured, all_claims, measure_claims

__all__ = [
    "CLAIMS",
    "QUICK",
    "THOROUGH",
    "Bench",
    "Claim",
    "Drawing",
    "Effort",
    "Finding",
    "Line",
    "Measure",
    "Measured",
    "all_claims",
    "measure_claims",
]
