"""What every registered network must satisfy. Shapes are taken on the meta device, which computes nothing."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from striate.errors import RequestError
from striate.networks import NETWORKS, Network, NetworkOptions, build_network
from striate.networks.anatomy import shape_of_result

NAMES = NETWORKS.names()
# Cheap enough to compute with; every family is there.
LIGHT = ["lenet5", "lenet5_1998", "alexnet", "vgg11", "vgg11_bn", "googlenet", "resnet18", "resnet50", "resnet20"]
# One of each way of building; the others differ in depth only.
DISTINCT = [*LIGHT[:6], "resnet34", "resnet50", "resnet20"]
SIZES = [(28, 28), (32, 32), (64, 64), (28, 40), (96, 64)]


def build_meta(name: str, **options: object) -> Network:
    with torch.device("meta"):
        return build_network(name, NetworkOptions(classes=7, **options))  # type: ignore[arg-type]


aten = torch.ops.aten


class Shapes(TorchDispatchMode):
    """The meta device without what torch spells out in Python there, which takes longer than all the rest."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket is aten.native_batch_norm_backward:
            return tuple(map(torch.empty_like, (args[1], args[2], args[2])))
        if func.overloadpacket is aten.threshold_backward:
            return torch.empty_like(args[0])
        return shape_of_result(func, args, kwargs or {})


def all_scores(network: Network, x: Tensor) -> Tensor:
    result = network(x)
    return result if isinstance(result, Tensor) else torch.cat(result)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("name", NAMES)
def test_gives_one_score_per_class_for_any_channels_and_size(name: str, channels: int) -> None:
    for size_hw in SIZES if channels == 3 and name in DISTINCT else SIZES[:1]:
        network = build_meta(name, channels=channels, size_hw=size_hw).eval()
        with Shapes(), torch.no_grad():
            assert network(torch.zeros(2, channels, *size_hw, device="meta")).shape == (2, 7)


@pytest.mark.parametrize("pooling", [None, "max", "average", "stride"])
@pytest.mark.parametrize("name", DISTINCT)
def test_maps_have_the_channels_and_strides_of_the_spec(name: str, pooling: str | None) -> None:
    if name == "resnet20" and pooling is not None:
        with pytest.raises(RequestError, match="no pooling that could be changed"):
            build_meta(name, pooling=pooling)
        return
    for stem, size_hw in [("standard", (64, 96)), ("small", (32, 64)), ("auto", (64, 96))]:
        network = build_meta(name, size_hw=size_hw, pooling=pooling, stem=stem).eval()
        x = torch.zeros(2, 3, *size_hw, device="meta")
        wanted = {
            stage.name: (2, stage.channels, size_hw[0] // stage.stride, size_hw[1] // stage.stride)
            for stage in network.feature_spec
        }
        with Shapes(), torch.no_grad():
            assert {stage: tuple(value.shape) for stage, value in network.forward_features(x).items()} == wanted
            assert network(x).shape == (2, 7)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_reaches_every_parameter(name: str) -> None:
    network = build_meta(name, size_hw=(32, 32)).train()
    with Shapes():
        all_scores(network, torch.zeros(2, 3, 32, 32, device="meta")).sum().backward()
    assert [key for key, parameter in network.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("name", LIGHT)
def test_no_gradient_is_all_zero(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, NetworkOptions(classes=3, size_hw=(16, 16), dropout=0.0)).train()
    scores = all_scores(network, torch.randn(4, 3, 16, 16))
    (scores * torch.randn_like(scores)).sum().backward()
    dead = [key for key, parameter in network.named_parameters() if not bool(parameter.grad.abs().sum() > 0)]
    assert dead == []


@pytest.mark.parametrize("name", LIGHT)
def test_head_of_embedding_is_the_forward_pass(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, NetworkOptions(classes=3, channels=2, size_hw=(28, 20))).eval()
    x = torch.randn(2, 2, 28, 20)
    with torch.no_grad():
        embedding = network.embed(x)
        assert embedding.ndim == 2
        assert torch.equal(network.head(embedding), network(x))


@pytest.mark.parametrize("name", LIGHT)
def test_state_dict_makes_an_equal_network(name: str) -> None:
    options = NetworkOptions(classes=3, size_hw=(16, 16))
    torch.manual_seed(0)
    first = build_network(name, options).eval()
    torch.manual_seed(1)
    second = build_network(name, options).eval()
    x = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        assert not torch.equal(first(x), second(x))
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        assert torch.equal(first(x), second(x))


@pytest.mark.parametrize("name", LIGHT)
def test_nothing_changes_a_map_after_it_was_given(name: str) -> None:
    network = build_network(name, NetworkOptions(classes=3, size_hw=(16, 16))).eval()
    kept: list[tuple[str, Tensor, Tensor]] = []

    def keep(key: str) -> None:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            kept.append((key, output, output.clone()))

        network.get_submodule(key).register_forward_hook(hook)

    for key, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            keep(key)
    with torch.no_grad():
        network(torch.randn(1, 3, 16, 16))
    assert [key for key, now, then in kept if not torch.equal(now, then)] == []


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "none", "gelu"])
@pytest.mark.parametrize("name", LIGHT)
def test_takes_any_activation(name: str, activation: str) -> None:
    network = build_meta(name, size_hw=(32, 32), activation=activation)
    kinds = {type(module) for module in network.modules()}
    assert nn.ReLU not in kinds
    assert {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "none": nn.Identity, "gelu": nn.GELU}[activation] in kinds


@pytest.mark.parametrize("name", NAMES)
def test_too_small_a_picture_is_refused_in_words(name: str) -> None:
    with pytest.raises(RequestError, match=r"needs at least \d+ x \d+ pixels here, and the size is 3 x 40"):
        build_meta(name, size_hw=(3, 40))


@pytest.mark.parametrize("name", NAMES)
def test_row_of_the_table_is_filled(name: str) -> None:
    info = NETWORKS.get(name)
    assert info.name == name
    assert info.family
    assert 1989 < info.year < 2030
    assert info.authors
    assert str(info.year)[:2] in info.paper
    assert all(0 < entry.top1 < 100 and entry.data and entry.source for entry in info.published)
    assert info.published or name == "lenet5"
