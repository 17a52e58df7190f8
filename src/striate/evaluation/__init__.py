"""Metrics over a split with intervals, and the fit verdict."""

from striate.evaluation.advice import FitContext
from striate.evaluation.evaluate import compare_scores, evaluate
from striate.evaluation.intervals import headline_estimate
from striate.evaluation.structures import EpochRecord, Estimate, Evaluation, Verdict
from striate.evaluation.verdict import judge_fit, live_verdict

__all__ = [
    "EpochRecord",
    "Estimate",
    "Evaluation",
    "FitContext",
    "Verdict",
    "compare_scores",
    "evaluate",
    "headline_estimate",
    "judge_fit",
    "live_verdict",
]
