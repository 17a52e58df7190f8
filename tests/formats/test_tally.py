"""Faults are counted."""

from __future__ import annotations

from striate.formats.tally import Fault, FileTally, Tally, left_out, some_of
from striate.structures import Problem

FAULTS = {
    "lost": Fault("{count:file is|files are} lost ({example}).", "They are left out.", "Find them."),
    "odd": Fault("odd: {count} (the first: {first}).", "Kept.", "Look.", "note"),
}


def test_one_problem_for_each_kind_in_the_order_of_the_table() -> None:
    tally = Tally(FAULTS)
    tally.add("odd", "z.txt", "line 3.")
    tally.add("odd", "y.txt")
    for number in range(7):
        tally.add("lost", f"{number}.png")
    tally.add("lost", "0.png")
    assert tally.problems() == [
        Problem(
            "lost",
            "0.png",
            "8 files are lost (0.png, 1.png, 2.png, 3.png, 4.png, ...).",
            "They are left out. Find them.",
            "dropped",
        ),
        Problem("odd", "z.txt", "odd: 2 (the first: z.txt: line 3).", "Kept. Look.", "note"),
    ]
    tally.forget("lost")
    assert [problem.kind for problem in tally.problems()] == ["odd"]


def test_a_tally_of_one_file_names_it() -> None:
    tally = Tally(FAULTS, "all.json")
    tally.add("lost", "a.png")
    assert (tally.problems()[0].path, tally.problems()[0].detail) == ("all.json", "1 file is lost (a.png).")


def test_places_in_a_file_are_one_problem() -> None:
    tally = FileTally()
    for line in range(1, 7):
        tally.add("bad-line", "a.txt", f"line {line}", "Mend it.", "dropped")
    (problem,) = tally.problems()
    assert problem.detail == "line 1 (6 such places in this file; the others: line 2; line 3; line 4, ...)."


def test_what_is_left_out() -> None:
    assert left_out("unlisted", [], "picture is|pictures are", "in no list", "Add them.") == []
    (problem,) = left_out("unlisted", ["b", "a"], "picture is|pictures are", "in no list", "Add them.")
    assert problem == Problem("unlisted", "b", "2 pictures are in no list (b, ...).", "Left out. Add them.", "dropped")
    assert some_of(["a", "a", "b"], 2) == "a, b"
