"""Which weights a network starts from, and the record of what was used."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from striate.errors import RequestError, WorkError
from striate.networks.base import Network, NetworkInfo, NetworkOptions
from striate.networks.pretrained import (
    EMBEDDED_FOR,
    Pretrained,
    as_normalisation,
    find_embedded,
    find_pretrained,
)
from striate.networks.weight_files import Fit, fit_state_dict, read_state_dict

WEIGHT_CHOICES = ("auto", "none", "imagenet", "embedded")
"""What can be asked for by name; anything else is the path of a file."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """`(pixel - mean) / std` per channel, for pixels scaled to 0..1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class WeightsUsed:
    """What a network started from.

    Attributes:
        name: Name of the weights, "none" where it starts fresh.
        source: Package, address or file.
        licence: Licence of the weights.
        normalisation: What their pixels looked like; `None` where the weights do not say.
        note: What was adapted, left fresh, or not to be had.
        top1: Published ImageNet-1k top-1 accuracy in percent.
    """

    name: str
    source: str
    licence: str
    normalisation: Normalisation | None
    note: str
    top1: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the run folder."""
        return asdict(self)


def load_weights(
    network: Network,
    info: NetworkInfo,
    choice: str,
    options: NetworkOptions,
    *,
    offline: bool | None = None,
    timeout_s: float = 5.0,
) -> WeightsUsed | None:
    """Loads the weights a network is to start from, in place.

    Args:
        network: Made by `build_network(info.name, options)`.
        info: Its row in the table of networks.
        choice: "none", "embedded", "imagenet", "auto", or the path of a file.
        options: What the network was built with.
        offline: Never connect; by default what the environment variable `STRIATE_OFFLINE` says.
        timeout_s: Longest wait for a server, in seconds.

    Returns:
        What was used; `None` for "none". "auto" that finds nothing returns a record named "none" whose note says why.

    Raises:
        RequestError: A choice that this network does not have.
        WorkError: The weights cannot be had.
        CheckpointError: The file cannot be read or is of another network.
    """
    offline = is_offline() if offline is None else offline
    if choice == "none":
        return None
    if choice == "embedded":
        return _load_embedded(network, info, options)
    if choice == "imagenet":
        return _load_imagenet(network, info, options, offline, timeout_s)
    if choice == "auto":
        return _load_automatic(network, info, options, offline, timeout_s)
    path = Path(choice)
    if not path.exists() and path.suffix == "" and path.name == choice:
        raise RequestError(
            f"there are no weights named {choice!r}, and no file of that name.",
            where="weights",
            fix="Use auto, none, imagenet, embedded, or the path of a file.",
        )
    fit = fit_state_dict(network, read_state_dict(path), where=path)
    return WeightsUsed(path.name, str(path), "as its author says", None, _note("", fit, options), None)


def has_published_weights(info: NetworkInfo) -> bool:
    """Whether anybody published pretrained weights for this network, be they on this machine or not."""
    return find_embedded(info) is not None or find_pretrained(info) is not None


def is_offline() -> bool:
    """Whether `STRIATE_OFFLINE` forbids connections: any value but 0, false and no."""
    return os.environ.get("STRIATE_OFFLINE", "").strip().lower() not in ("", "0", "false", "no")


def _load_embedded(network: Network, info: NetworkInfo, options: NetworkOptions) -> WeightsUsed:
    pretrained = find_embedded(info)
    if pretrained is None:
        raise RequestError(
            f"no weights for {info.name} come with the installation.",
            where="weights",
            fix=f"Use --net {EMBEDDED_FOR[0]}, or --weights imagenet, none or a file.",
        )
    return _apply(pretrained, pretrained.find_local() or pretrained.fetch(0.0), network, options)


def _load_imagenet(
    network: Network, info: NetworkInfo, options: NetworkOptions, offline: bool, timeout_s: float
) -> WeightsUsed:
    pretrained = find_pretrained(info)
    if pretrained is None:
        raise RequestError(
            f"nobody published ImageNet weights for {info.name}.",
            where="weights",
            fix="Use --weights none or a file, or another network.",
        )
    path = pretrained.find_local()
    if path is None and offline:
        raise WorkError(
            f"the weights {pretrained.name} are not on this machine, and STRIATE_OFFLINE forbids to fetch them.",
            where="weights",
            fix=f"Fetch {pretrained.source} elsewhere and give the file, use --weights none, or unset STRIATE_OFFLINE.",
        )
    return _apply(pretrained, path or pretrained.fetch(timeout_s), network, options)


def _load_automatic(
    network: Network, info: NetworkInfo, options: NetworkOptions, offline: bool, timeout_s: float
) -> WeightsUsed:
    embedded = find_embedded(info)
    if embedded is not None and embedded.find_local() is not None:
        return _load_embedded(network, info, options)
    try:
        return _load_imagenet(network, info, options, offline, timeout_s)
    except (RequestError, WorkError) as error:
        return WeightsUsed("none", "", "", None, f"fresh weights: {error.what}", None)


def _apply(pretrained: Pretrained, path: Path, network: Network, options: NetworkOptions) -> WeightsUsed:
    fit = pretrained.apply(network, path)
    normalisation = Normalisation(
        as_normalisation(pretrained.mean, options.channels, fit.source_channels),
        as_normalisation(pretrained.std, options.channels, fit.source_channels),
    )
    note = _note(pretrained.note, fit, options)
    return WeightsUsed(pretrained.name, pretrained.source, pretrained.licence, normalisation, note, pretrained.top1)


def _note(first: str, fit: Fit, options: NetworkOptions) -> str:
    parts = [first] if first else []
    if fit.adapted:
        parts.append(f"first layer adapted from {fit.source_channels} to {options.channels} channels")
    if fit.fresh:
        layers = sorted({key.rsplit(".", 1)[0] for key in fit.fresh})
        parts.append(f"left fresh, because the weights have none of that shape: {', '.join(layers)}")
    return "; ".join(parts)
