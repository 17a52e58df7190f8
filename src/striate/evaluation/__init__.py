"""Metrics over a split with intervals, and the fit verdict."""

from striate.evaluation.evaluate import evaluate
from striate.evaluation.structures import EpochRecord, Estimate, Evaluation, Verdict
from striate.evaluation.verdict import judge_fit

__all__ = ["EpochRecord", "Estimate", "Evaluation", "Verdict", "evaluate", "judge_fit"]
