"""What layers give while a network works."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def watching(layers: Mapping[str, nn.Module], see: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Tells of everything that layers give, in the order in which they run, as long as the context is open.

    What is seen stays what it was: the network goes on with a copy, since some activations change what they are given
    in place. Gradients flow through it.

    Args:
        layers: Layers by the name under which they are told of.
        see: Told the name and the output, where that is a tensor.
    """

    def hook_of(name: str) -> Callable[[nn.Module, object, object], object]:
        def hook(_module: nn.Module, _inputs: object, output: object) -> object:
            if not isinstance(output, Tensor):
                return output
            see(name, output)
            return output.clone()

        return hook

    handles = [module.register_forward_hook(hook_of(name)) for name, module in layers.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def keeping(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Everything that one layer gives, in a list that grows as long as the context is open."""
    kept: list[Tensor] = []
    with watching({"": layer}, lambda _name, output: kept.append(output)):
        yield kept


def name_of_call(name: str, time: int) -> str:
    """What a call of a layer is called: the second of one that is used twice ends with `#2`."""
    return name if time == 1 else f"{name}#{time}"
