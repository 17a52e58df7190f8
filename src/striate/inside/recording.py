"""Everything that went through a network for one picture, layer by layer."""

from __future__ import annotations

import copy
import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from striate.errors import RequestError
from striate.networks.activity import ACTIVATION_TYPES
from striate.networks.kernels import Kernels, kernels_of
from striate.networks.watching import name_of_call

POOLING_TYPES = (
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
)


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One layer at work.

    Attributes:
        name: Dotted name in the network; the second call of a layer that is used twice ends with `#2`.
        module: The layer.
        taken: What came in, `(1, C, H, W)` or `(1, D)`.
        given: What went out.
        source: Name of the layer whose output came in as it was; empty where something happened in between.
        kernels: Its weights, where its neurons are weighted sums.
    """

    name: str
    module: nn.Module
    taken: Tensor
    given: Tensor
    source: str
    kernels: Kernels | None

    @property
    def kind(self) -> str:
        """convolution, linear, normalisation, activation, pooling, or other."""
        if self.kernels is not None:
            return "linear" if isinstance(self.module, nn.Linear) else "convolution"
        if isinstance(self.module, nn.modules.batchnorm._BatchNorm | nn.LayerNorm | nn.GroupNorm):
            return "normalisation"
        if isinstance(self.module, ACTIVATION_TYPES):
            return "activation"
        return "pooling" if isinstance(self.module, POOLING_TYPES) else "other"

    @property
    def units(self) -> int:
        """Feature maps, or neurons of a linear layer."""
        return int(self.given.shape[1])

    @property
    def map_hw(self) -> tuple[int, int]:
        """Height and width of its feature maps; 1 x 1 for a linear layer."""
        return (int(self.given.shape[2]), int(self.given.shape[3])) if self.given.ndim == 4 else (1, 1)


@dataclass(frozen=True, slots=True)
class Recording:
    """What every layer took and gave, in the order in which they ran.

    Attributes:
        picture: What the network was shown, `(1, C, H, W)`.
        calls: Layers by name.
        output: What the network gave.
    """

    picture: Tensor
    calls: dict[str, Call]
    output: Any

    def find(self, name: str) -> Call:
        """The layer of that name.

        Raises:
            RequestError: There is none; the nearest ones that add up are offered.
        """
        if name in self.calls:
            return self.calls[name]
        known = [call.name for call in self.of_kind("convolution", "linear")]
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
        some = near or known[:8]
        raise RequestError(
            f"this network has no layer {name!r}.",
            where="--layer",
            fix=f"{'Nearest' if near else 'The first ones'}: {', '.join(some)}.",
        )

    def takers(self, name: str) -> list[Call]:
        """The layers into which the output of a layer goes as it is."""
        return [call for call in self.calls.values() if call.source == name]

    def following(self, name: str) -> list[Call]:
        """Normalisation and activation that take a layer's output as it is, one after the other."""
        found: list[Call] = []
        while True:
            takers = [one for one in self.takers(name) if one.kind in ("normalisation", "activation")]
            if len(takers) != 1:
                return found
            found.append(takers[0])
            name = takers[0].name

    def of_kind(self, *kinds: str) -> list[Call]:
        """The layers of some kinds."""
        return [call for call in self.calls.values() if call.kind in kinds]


@dataclass(slots=True)
class _Watch:
    """Hooks that note what goes in and out; tensors are copied, since some layers change them in place."""

    calls: dict[str, Call] = field(default_factory=dict)
    _times: Counter[str] = field(default_factory=Counter)
    _origin: dict[int, tuple[Tensor, str]] = field(default_factory=dict)
    _open: dict[str, list[tuple[Tensor, str]]] = field(default_factory=dict)

    def before(self, name: str, inputs: Sequence[Any]) -> None:
        taken = inputs[0] if inputs else None
        if isinstance(taken, Tensor):
            known = self._origin.get(id(taken))
            self._open.setdefault(name, []).append((taken.clone(), known[1] if known else ""))

    def after(self, name: str, module: nn.Module, output: Any) -> None:
        if not self._open.get(name):
            return
        taken, source = self._open[name].pop()
        if not isinstance(output, Tensor) or output.ndim not in (2, 4):
            return
        self._times[name] += 1
        numbered = name_of_call(name, self._times[name])
        size_hw = (int(taken.shape[-2]), int(taken.shape[-1])) if taken.ndim == 4 else (1, 1)
        kernels = kernels_of(module, size_hw)
        self.calls[numbered] = Call(numbered, module, taken, output.clone(), source, kernels)
        # The tensor is kept: a later one could else take the identity of one that is gone.
        self._origin[id(output)] = (output, numbered)


@contextmanager
def _watching(network: nn.Module, watch: _Watch) -> Iterator[None]:
    handles = []
    for name, module in network.named_modules():
        # timm's normalisation holds its activation, and is a layer of its own all the same.
        if any(module.children()) and not isinstance(module, nn.modules.batchnorm._BatchNorm):
            continue
        handles.append(module.register_forward_pre_hook(lambda _, inputs, name=name: watch.before(name, inputs)))
        handles.append(
            module.register_forward_hook(lambda module, _, output, name=name: watch.after(name, module, output))
        )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def record(network: nn.Module, picture: Tensor) -> Recording:
    """Shows a picture to a network and keeps what every layer took and gave, in double precision.

    Double precision, so that a sum written out by hand is what the network computed to the last digits shown, whatever
    the order in which either adds up.

    Args:
        network: Any network; unchanged.
        picture: `(1, C, H, W)`, normalised as the network expects.
    """
    exact = copy.deepcopy(network).cpu().double().eval()
    shown = picture.detach().cpu().double()
    watch = _Watch()
    with torch.no_grad(), _watching(exact, watch):
        output = exact(shown)
    return Recording(shown, watch.calls, output)
