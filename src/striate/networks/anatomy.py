"""What a network is made of: layer by layer, its shapes, parameters, multiplications and receptive field.

The forward pass runs once on tensors without storage (the meta device), so it costs no memory and next to no time, and
every operation is seen as it happens, also additions and concatenations that are no layer of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from striate.networks.base import Backbone, NetworkOptions

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Reach:
    """What one position of a map depends on.

    Attributes:
        field_hw: Receptive field in pixels of the picture; `None` once a global operation saw all of it.
        stride_hw: Pixels between neighbours in the map.
        depth: Layers with weights on the longest path from the picture.
    """

    field_hw: Pair | None = (1, 1)
    stride_hw: Pair = (1, 1)
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Layer:
    """One row of the table: a module without submodules.

    Attributes:
        name: Dotted name in the network.
        kind: Class of the module.
        output_shape: Without the batch: `(C, H, W)` or `(D,)`.
        parameters: Trainable numbers in it.
        macs: Multiplications with addition for one picture, in convolutions and matrix products.
        receptive_field_hw: In pixels, theoretical; `None` where it is the whole picture.
        stride_hw: Pixels between neighbours of its map; `None` where there is no map any more.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    receptive_field_hw: Pair | None
    stride_hw: Pair | None


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The table of layers and its totals.

    Attributes:
        layers: In the order in which they run.
        parameters: Trainable numbers on the way from picture to class scores.
        training_parameters: Further ones that only training uses (auxiliary classifiers).
        macs: Multiplications with addition for one picture.
        depth: Layers with weights on the longest path, as papers count ("18" of ResNet-18).
        receptive_field_hw: Theoretical receptive field of the last feature map; `None` for the whole picture.
    """

    layers: tuple[Layer, ...]
    parameters: int
    training_parameters: int
    macs: int
    depth: int
    receptive_field_hw: Pair | None

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def describe_network(network: Backbone, options: NetworkOptions) -> Anatomy:
    """Takes a network apart.

    Receptive fields follow Araujo et al. 2019 (Computing Receptive Fields of Convolutional Neural Networks): each
    window of k positions with stride s widens the field by (k - 1) times the stride so far; where branches meet, the
    widest counts.

    Args:
        network: Unchanged; it may be on any device.
        options: Channels and size of the picture.
    """
    picture = torch.zeros(1, options.channels, *options.size_hw, device="meta")
    # Clones, so that a parameter is never the same object as the original where that is without storage already.
    state = {name: value.detach().to("meta").clone() for name, value in _tensors(network)}
    with _evaluation_mode(network), torch.no_grad():
        tracer = _Tracer(picture)
        rows = _Rows(network, tracer)
        with rows.watching(), tracer:
            torch.func.functional_call(network, state, (picture,))
        in_maps = _Tracer(picture)
        with in_maps:
            maps = torch.func.functional_call(_Features(network), _prefixed(state), (picture,))
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    used = sum(size for name, size in sizes.items() if tracer.has_used(state[name]))
    return Anatomy(
        layers=tuple(rows.layers),
        parameters=used,
        training_parameters=sum(sizes.values()) - used,
        macs=tracer.macs,
        depth=tracer.depth,
        receptive_field_hw=in_maps.reach(maps[network.feature_spec.stages[-1].name]).field_hw,
    )


class _Features(nn.Module):
    """Makes `forward_features` callable with other tensors in place of the weights."""

    def __init__(self, network: Backbone) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return self.network.forward_features(x)


def _prefixed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"network.{name}": value for name, value in state.items()}


def _tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from network.named_parameters()
    yield from network.named_buffers()


@contextmanager
def _evaluation_mode(network: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


class _Rows:
    """Collects one row for each module without submodules, through hooks."""

    def __init__(self, network: Backbone, tracer: _Tracer) -> None:
        self.layers: list[Layer] = []
        self._tracer = tracer
        self._started: dict[str, int] = {}
        self._leaves = [(name, module) for name, module in network.named_modules() if not any(module.children())]

    @contextmanager
    def watching(self) -> Iterator[None]:
        handles = []
        for name, module in self._leaves:
            handles.append(module.register_forward_pre_hook(self._before(name)))
            handles.append(module.register_forward_hook(self._after(name)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _before(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:  # noqa: ARG001
            self._started[name] = self._tracer.macs

        return hook

    def _after(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG001
            if not isinstance(output, Tensor):
                return
            if getattr(module, "counts_as_layer", False):
                self._tracer.count_layer(output)
            reach = self._tracer.reach(output)
            self.layers.append(
                Layer(
                    name=name,
                    kind=type(module).__name__,
                    output_shape=tuple(output.shape[1:]),
                    parameters=sum(parameter.numel() for parameter in module.parameters(recurse=False)),
                    macs=self._tracer.macs - self._started[name],
                    receptive_field_hw=reach.field_hw,
                    stride_hw=reach.stride_hw if output.ndim == 4 else None,
                )
            )

        return hook


aten = torch.ops.aten


class _Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the reach of every tensor, and counts multiplications, operation by operation."""

    def __init__(self, picture: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs = 0
        self.depth = 0
        # Tensors are kept, for else a new one could take the identity of one that is gone; they have no storage.
        self._known: dict[int, tuple[Tensor, Reach]] = {id(picture): (picture, Reach())}
        self._weights: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here; torch would load its compiler, for seconds, only to keep it away."""
        return False

    def reach(self, tensor: Tensor) -> Reach:
        """The reach of a tensor; that of one picture pixel where nothing is known."""
        return self._known[id(tensor)][1] if id(tensor) in self._known else Reach()

    def has_used(self, weight: Tensor) -> bool:
        """Whether some operation took this parameter."""
        return id(weight) in self._weights

    def count_layer(self, tensor: Tensor) -> None:
        """Adds a layer to the depth of a tensor, for layers that are neither convolution nor matrix product."""
        self._remember(tensor, replace(self.reach(tensor), depth=self.reach(tensor).depth + 1))

    def _remember(self, tensor: Tensor, reach: Reach) -> None:
        self._known[id(tensor)] = (tensor, reach)
        self.depth = max(self.depth, reach.depth)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Runs the operation and works out the reach of its result."""
        result = shape_of_result(func, args, kwargs or {})
        taken = list(_flatten(args))
        sources = [self._known[id(tensor)] for tensor in taken if id(tensor) in self._known]
        self._weights.update(id(tensor) for tensor in taken if id(tensor) not in self._known)
        if sources:
            reach = self._after(func.overloadpacket, args, result, sources)
            for tensor in _flatten(result if isinstance(result, tuple | list) else (result,)):
                self._remember(tensor, reach)
        return result

    def _after(self, operation: Any, args: tuple[Any, ...], result: Any, sources: list[tuple[Tensor, Reach]]) -> Reach:
        reach = _widest([reach for _, reach in sources])
        if operation is aten.convolution:
            weight, stride, dilation = args[1], args[3], args[5]
            self.macs += result.numel() * int(weight[0].numel())
            window = [(size - 1) * step + 1 for size, step in zip(weight.shape[2:], dilation, strict=True)]
            return _slide(replace(reach, depth=reach.depth + 1), window, stride)
        if operation in (aten.addmm, aten.mm, aten.bmm, aten.baddbmm):
            left = args[1] if operation in (aten.addmm, aten.baddbmm) else args[0]
            self.macs += result.numel() * int(left.shape[-1])
            if len(sources) > 1:
                # A product of two maps is attention: every position sees every other, and no weights are its own.
                return replace(reach, field_hw=None)
            return replace(reach, depth=reach.depth + 1)
        if operation.__name__.startswith("_scaled_dot_product"):
            query, key = args[0], args[1]
            self.macs += 2 * query.numel() * int(key.shape[-2])
            return replace(reach, field_hw=None)
        if operation in _POOLING:
            stride = args[2] if len(args) > 2 and args[2] else args[1]
            return _slide(reach, args[1], stride)
        if operation in _GLOBAL and sources[0][0].ndim == 4:
            # A largest value comes with its place.
            return _gather(reach, sources[0][0], result[0] if isinstance(result, tuple) else result)
        return reach


def shape_of_result(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What an operation gives on the meta device.

    Those named here torch would spell out in Python, which takes longer than all others together; and a part of them
    loads its compiler, for seconds.
    """
    operation = func.overloadpacket
    if operation is aten.native_batch_norm:
        # Statistics of the batch come back in training only.
        count = args[0].shape[1] if args[5] else 0
        return torch.empty_like(args[0]), args[0].new_empty(count), args[0].new_empty(count)
    if operation is aten.relu or (func is aten.add.Tensor and args[0].shape == getattr(args[1], "shape", None)):
        return torch.empty_like(args[0])
    if operation in (aten.relu_, aten.add_):
        return args[0]
    if func is aten.mean.dim:
        return args[0].sum(*args[1:], **kwargs)
    if operation is aten.cat:
        parts, axis = args[0], args[1] if len(args) > 1 else 0
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return parts[0].new_empty(shape)
    if operation is aten.addmm:
        return args[1].new_empty(args[1].shape[0], args[2].shape[1])
    return func(*args, **kwargs)


_POOLING = (aten.max_pool2d_with_indices, aten.avg_pool2d)
_GLOBAL = (aten._adaptive_avg_pool2d, aten.adaptive_max_pool2d, aten.mean)


def _flatten(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _flatten(value)


def _widest(reaches: list[Reach]) -> Reach:
    fields = [reach.field_hw for reach in reaches]
    known = [field for field in fields if field is not None]
    field = (max(h for h, _ in known), max(w for _, w in known)) if len(known) == len(fields) else None
    stride = (max(reach.stride_hw[0] for reach in reaches), max(reach.stride_hw[1] for reach in reaches))
    return Reach(field, stride, max(reach.depth for reach in reaches))


def _slide(reach: Reach, window: Any, stride: Any) -> Reach:
    window, stride = _pair(window), _pair(stride)
    jump = reach.stride_hw
    field = reach.field_hw
    if field is not None:
        field = (field[0] + (window[0] - 1) * jump[0], field[1] + (window[1] - 1) * jump[1])
    return replace(reach, field_hw=field, stride_hw=(jump[0] * stride[0], jump[1] * stride[1]))


def _gather(reach: Reach, source: Tensor, result: Tensor) -> Reach:
    """An average over large windows: the whole picture where one position is left, else windows that cover the map."""
    after = tuple(result.shape[2:]) if result.ndim == 4 else (1, 1)
    before = tuple(source.shape[2:])
    if after == before:
        return reach
    if after == (1, 1):
        return replace(reach, field_hw=None)
    windows = [-(-old // new) for old, new in zip(before, after, strict=True)]
    return _slide(reach, windows, [max(1, old // new) for old, new in zip(before, after, strict=True)])


def _pair(value: Any) -> Pair:
    values = [value] if isinstance(value, int) else list(value)
    return (int(values[0]), int(values[-1]))
