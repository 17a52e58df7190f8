"""Weight files: read without running code, and matched against a network key by key."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from striate.errors import CheckpointError, cause_of
from striate.networks.base import Network

# Names under which training scripts put the state dict, outermost first.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "network", "net")
# Prefixes that DistributedDataParallel and torch.compile put before every key.
_PREFIXES = ("module.", "_orig_mod.")


@dataclass(frozen=True, slots=True)
class Fit:
    """How a state dict fitted a network.

    Attributes:
        fresh: Keys that kept their first values, because the file has none, or another shape.
        source_channels: Input channels of the file's first convolution.
        adapted: Whether the first convolution was adapted to another number of channels.
    """

    fresh: tuple[str, ...]
    source_channels: int
    adapted: bool


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Reads safetensors, or a torch file with `weights_only=True`; wrappers and prefixes are taken off.

    Raises:
        CheckpointError: Missing, damaged, holding code, or holding no weights.
    """
    if not path.is_file():
        raise CheckpointError("there is no such file of weights.", where=path, fix="Check the path of --weights.")
    try:
        content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            "this file is not a plain state dict; reading it would run code that it holds, or it is damaged "
            f"({cause_of(error)}).",
            where=path,
            fix="Save the state dict alone (torch.save(network.state_dict(), ...) or safetensors).",
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"the file of weights cannot be read ({cause_of(error) if str(error) else 'it is empty'}).",
            where=path,
            fix="It may be cut off or of another kind: copy or download it again.",
        ) from error
    return unwrap_state_dict(content, path)


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _read_torch(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def unwrap_state_dict(content: Any, where: Path | str) -> dict[str, Tensor]:
    """Takes the state dict out of what a training script saved.

    Raises:
        CheckpointError: There is none in it.
    """
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(
            f"expected a state dict (names and tensors), found {type(content).__name__} without tensors.",
            where=where,
            fix="Give a file that holds the weights of a network.",
        )
    state = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    while prefix := next((prefix for prefix in _PREFIXES if all(key.startswith(prefix) for key in state)), None):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def fit_state_dict(network: Network, state: Mapping[str, Tensor], *, where: Path | str, strict: bool = True) -> Fit:
    """Loads a state dict; class layers of another class count stay fresh, the first convolution adapts its channels.

    Args:
        network: Changed in place.
        state: Names and tensors.
        where: File or source, for error texts.
        strict: Whether other keys of another shape are an error; else they stay fresh too (small-picture stems).

    Raises:
        CheckpointError: Keys are missing, unexpected, or of another shape.
    """
    target = network.state_dict()
    state = _align(state, target)
    source_channels, adapted = _adapt_first_convolution(network, state)
    of_classes = class_keys(network)
    misshaped = [key for key, value in state.items() if key in target and target[key].shape != value.shape]
    missing = [key for key in target if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in target]
    fresh = [key for key in misshaped if key in of_classes or not strict]
    if set(of_classes) <= set(missing):
        fresh += of_classes
    problems = _describe(
        missing=[key for key in missing if key not in fresh],
        unexpected=unexpected,
        misshaped=[
            f"{key} {tuple(state[key].shape)} instead of {tuple(target[key].shape)}"
            for key in misshaped
            if key not in fresh
        ],
    )
    if problems:
        raise CheckpointError(
            f"these weights are of another network: {problems}.",
            where=where,
            fix="Choose the network they were made for (--net), with the same stem and pooling.",
        )
    network.load_state_dict({**target, **{key: value for key, value in state.items() if key not in fresh}})
    return Fit(tuple(sorted(set(fresh))), source_channels, adapted)


def _align(state: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adds or takes off "model.", which Lightning puts before all keys, and our timm networks too."""
    if any(key in target for key in state):
        return dict(state)
    if any(f"model.{key}" in target for key in state):
        return {f"model.{key}": value for key, value in state.items()}
    return {key.removeprefix("model."): value for key, value in state.items()}


def _describe(**lists: list[str]) -> str:
    parts = []
    for kind, keys in lists.items():
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            parts.append(f"{len(keys)} keys {kind} ({', '.join(keys[:3])}{more})")
    return "; ".join(parts)


def class_keys(network: Network) -> list[str]:
    """Keys of the layers whose shape depends on the number of classes."""
    layers = network.class_layers
    names = [name for name, module in network.named_modules() if any(module is layer for layer in layers)]
    return [key for key in network.state_dict() if any(key.startswith(f"{name}.") for name in names)]


def first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d] | None:
    """Name and module of the convolution that sees the picture; `None` where there is none."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            return name, module
    return None


def _adapt_first_convolution(network: Network, state: dict[str, Tensor]) -> tuple[int, bool]:
    """Changes the first kernels in `state` to the network's channels, by timm's rule."""
    found = first_convolution(network)
    if found is None or f"{found[0]}.weight" not in state:
        return 3, False
    name, module = found
    weight = state[f"{name}.weight"].float()
    source, wanted = int(weight.shape[1]), module.weight.shape[1]
    if source == wanted or weight.ndim != 4:
        return source, False
    state[f"{name}.weight"] = adapt_kernels(weight, wanted)
    return source, True


def adapt_kernels(weight: Tensor, channels: int) -> Tensor:
    """First kernels for another number of channels, by timm's documented rule (`adapt_input_conv`).

    One channel gets the sum over the old ones, so that a gray picture gives what it gave as three equal channels;
    other numbers get the old ones repeated, and scaled so that the sum stays.

    Args:
        weight: `(maps, old channels, h, w)`.
        channels: The new number.
    """
    old = weight.shape[1]
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    repeats = -(-channels // old)
    return weight.repeat(1, repeats, 1, 1)[:, :channels] * (old / channels)
