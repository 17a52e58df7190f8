from __future__ import annotations

import inspect
import pickle

import pytest

from striate import errors
from striate.errors import MissingPartError, PictureError, RequestError, StriateError, WorkError, cause_of

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, StriateError)]


def test_the_sentence_names_place_cause_and_next_step() -> None:
    error = RequestError("expected a folder, found a file.", where="photos", fix="Give its folder.")
    assert str(error) == "photos: expected a folder, found a file. Give its folder."
    assert str(RequestError("nothing to do.")) == "nothing to do."
    assert (error.what, error.where, error.fix) == ("expected a folder, found a file.", "photos", "Give its folder.")


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_errors_survive_the_way_back_from_a_worker(kind: type[StriateError]) -> None:
    error = kind("broken.", where="a.png", fix="Mend it.")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)


def test_the_kind_of_a_picture_error_survives_too() -> None:
    copy = pickle.loads(pickle.dumps(PictureError("cut short.", where="a.png", kind="truncated")))
    assert copy.kind == "truncated"


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_exit_codes(kind: type[StriateError]) -> None:
    expected = 2 if issubclass(kind, RequestError) or kind is MissingPartError else 1
    assert kind.exit_code == expected
    assert WorkError.exit_code == 1


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_stands_in_the_tree(kind: type[StriateError]) -> None:
    assert f" {kind.__name__} " in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError("reading failed: no archive. This is internal. If you see"), "reading failed: no archive"),
        (RuntimeError("In loading:\n\tmismatch of a.b [1.5].\n\tmismatch of c."), "In loading: mismatch of a.b [1.5]"),
        (ValueError("\x1b[1mbad\x1b[0m  value\nin torch.load."), "bad value in torch.load"),
        (KeyError("101"), "KeyError: '101'"),
        (EOFError(), "it ends too early"),
        (RuntimeError(""), "RuntimeError"),
    ],
)
def test_the_cause_is_one_whole_sentence(error: Exception, text: str) -> None:
    assert cause_of(error) == text


def test_a_long_cause_ends_at_a_word() -> None:
    text = cause_of(RuntimeError("missing: " + ", ".join(f"layer{number}" for number in range(100))), 40)
    assert text == "missing: layer0, layer1, layer2 ..."
