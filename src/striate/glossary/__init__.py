"""The terms of the field that Striate uses, explained, each with where to see it at work."""

from striate.glossary.base import TERMS, Term, explain

__all__ = ["TERMS", "Term", "explain"]
