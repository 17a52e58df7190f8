"""What a term is, and how one is looked up."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from striate.errors import UnknownNameError
from striate.registry import Registry


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the field.

    Attributes:
        name: As it is written in a sentence.
        text: Two sentences.
        equation: The same as a formula; empty where there is none.
        history: Who, when and where.
        shown_by: The command that shows it at work.
        related: Names of related terms.
        also: Other names for it.
    """

    name: str
    text: str
    equation: str = ""
    history: str = ""
    shown_by: str = ""
    related: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"{self.name}: {self.text}"]
        if self.equation:
            parts.append(f"    {self.equation}")
        if self.history:
            parts.append(f"History: {self.history}")
        if self.shown_by:
            parts.append(f"See it: {self.shown_by}")
        if self.related:
            parts.append(f"Related: {', '.join(self.related)}")
        return "\n".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "term": self.name,
            "text": self.text,
            "equation": self.equation,
            "history": self.history,
            "shown_by": self.shown_by,
            "related": list(self.related),
            "also": list(self.also),
        }


TERMS: Registry[Term] = Registry("term", "striate.glossary")


def add(*terms: Term) -> None:
    """Registers terms."""
    for term in terms:
        TERMS.add(term.name, term)


def explain(name: str) -> Term:
    """What a term of the field means: two sentences, the formula, its history, and where to see it at work.

    Example:
        >>> print(striate.explain("pooling"))

    Raises:
        UnknownNameError: There is no such term; the nearest ones are offered.
    """
    wanted = " ".join(name.lower().replace("-", " ").replace("_", " ").split())
    known = {_plain(other): term for term in TERMS for other in (term.name, *term.also)}
    for form in (wanted, wanted.removesuffix("s"), wanted.removesuffix("es")):
        if form in known:
            return known[form]
    near = difflib.get_close_matches(wanted, list(known), n=4, cutoff=0.5)
    names = list(dict.fromkeys(known[one].name for one in near))
    fix = f"Nearest: {', '.join(names)}." if names else "`striate explain --list` lists all terms."
    raise UnknownNameError(f"there is no term {name!r} in the glossary.", where="explain", fix=fix)


def _plain(name: str) -> str:
    return name.lower().replace("-", " ")
