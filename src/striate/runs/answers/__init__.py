"""Answers written to disk, one module for each kind of file."""

from striate.runs.answers.base import ANSWER_WRITERS, AnswerOrder, AnswerWriter
from striate.runs.answers.writing import AnswerFiles

__all__ = ["ANSWER_WRITERS", "AnswerFiles", "AnswerOrder", "AnswerWriter"]
