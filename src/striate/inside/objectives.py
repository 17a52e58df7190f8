"""What an explanation is about: one number that the network gave, a class, a box or a region."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from striate.errors import RequestError
from striate.networks.heads.outputs import ObjectOutputs

MOST_OFFERED = 6


@dataclass(frozen=True, slots=True)
class Objective:
    """One answer of a network as a number that can be followed back to the picture.

    Attributes:
        words: What it is, for example `the score of cat`.
        class_name: The class it is about.
        value: Its value for the picture.
        of_output: From the network's output for `(N, C, H, W)` to `(N,)`.
    """

    words: str
    class_name: str
    value: float
    of_output: Callable[[Any], Tensor]


def planes_of(output: Any) -> Tensor:
    """The scores in an output: `(N, K)` of classes, `(N, A, K)` of classes at places, `(N, K, H, W)` of pixels."""
    if isinstance(output, ObjectOutputs):
        return output.confidence()
    if isinstance(output, Tensor):
        return output
    if isinstance(output, tuple):
        return planes_of(output[0])
    raise TypeError(f"nothing is known about outputs of type {type(output).__name__}")


def objectives_of(output: Any, classes: tuple[str, ...], wanted: str | None = None) -> list[Objective]:
    """What can be explained about the answer to one picture, the strongest first.

    Args:
        output: What the network gave for a single picture.
        classes: Class names.
        wanted: Name of a class; all where not given.

    Raises:
        RequestError: There is no such class.
    """
    if wanted is not None and wanted not in classes:
        raise RequestError(
            f"there is no class {wanted!r}.", where="--class", fix=f"The classes are {', '.join(classes[:12])}."
        )
    scores = planes_of(output)
    if scores.ndim == 2 and scores.shape[1] == len(classes):
        found = _class_objectives(scores, classes)
    elif scores.ndim == 4:
        found = _region_objectives(scores, classes)
    elif scores.ndim == 3:
        found = _place_objectives(scores, classes)
    else:
        found = [_most_likely_object(scores)]
    found.sort(key=lambda one: -one.value)
    chosen = [one for one in found if wanted is None or one.class_name in (wanted, "")]
    return chosen[:MOST_OFFERED]


def _class_objectives(scores: Tensor, classes: tuple[str, ...]) -> list[Objective]:
    def of_class(index: int) -> Callable[[Any], Tensor]:
        return lambda output: planes_of(output)[:, index]

    return [
        Objective(f"the score of {name}, before softmax", name, float(scores[0, index].detach()), of_class(index))
        for index, name in enumerate(classes)
    ]


def _region_objectives(scores: Tensor, classes: tuple[str, ...]) -> list[Objective]:
    """The region that was answered for each class: the mean score over its pixels, by how many there are."""
    # Heads that find objects have a plane for no object before those of the classes.
    names = classes if scores.shape[1] == len(classes) else ("", *classes)
    answered = scores[0].detach().argmax(0)
    found = []
    for index, name in enumerate(names):
        region = answered == index
        if not name or not bool(region.any()):
            continue
        share = float(region.double().mean())
        words = f"the mean score of {name} over its region ({share:.0%} of the picture)"
        found.append(Objective(words, name, share, _of_region(index, region)))
    return found


def _of_region(index: int, region: Tensor) -> Callable[[Any], Tensor]:
    return lambda output: planes_of(output)[:, index][:, region].mean(1)


def _place_objectives(scores: Tensor, classes: tuple[str, ...]) -> list[Objective]:
    """The place that is surest of each class: the box that comes from there is the surest one."""
    best, places = scores[0].detach().max(0)

    def of_place(place: int, index: int) -> Callable[[Any], Tensor]:
        return lambda output: planes_of(output)[:, place, index]

    return [
        Objective(f"the score of the surest {name}", name, float(best[index]), of_place(int(places[index]), index))
        for index, name in enumerate(classes)
    ]


def _most_likely_object(scores: Tensor) -> Objective:
    """Of heads that first propose boxes: how sure the surest proposal is to hold an object."""
    place = int(scores[0].detach().argmax())
    return Objective(
        "how sure the surest proposal is to hold an object",
        "",
        float(scores[0, place].detach()),
        lambda output: planes_of(output)[:, place],
    )


def score_pictures(network: torch.nn.Module, pictures: Tensor, objective: Objective, batch_size: int = 16) -> Tensor:
    """The objective for each of several pictures, `(N,)`, without gradients."""
    with torch.inference_mode():
        return torch.cat([objective.of_output(network(part)) for part in torch.split(pictures, batch_size)]).float()
