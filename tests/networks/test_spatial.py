"""Heads on backbones: every family carries every head."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from striate.networks import NetworkOptions, resolve_network
from striate.networks.base import count_parameters
from striate.networks.heads import HEADS, choose_stages, one_stage_a_stride
from striate.networks.heads.pyramid import FeaturePyramid
from striate.networks.spatial import SpatialNetwork, backbone_of
from striate.structures import FeatureSpec, Stage

FAMILIES = ("lenet5", "alexnet", "vgg11_bn", "googlenet", "resnet18")
SEMANTIC = [info.name for info in HEADS if info.task == "segmentation"]


def build(net: str, head: str, size_hw: tuple[int, int] = (64, 96), classes: int = 4) -> SpatialNetwork:
    torch.manual_seed(0)
    options = NetworkOptions(classes, 3, size_hw)
    backbone = resolve_network(net).build(options)
    return SpatialNetwork(backbone, HEADS.get(head).build(backbone.feature_spec, options), options)


@pytest.mark.parametrize("head", SEMANTIC)
@pytest.mark.parametrize("net", FAMILIES)
def test_every_family_carries_every_head(net: str, head: str) -> None:
    network = build(net, head)
    output = network(torch.randn(2, 3, 64, 96))
    assert output.shape == (2, 4, 64, 96)
    output.square().mean().backward()
    idle = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert idle == [], "what takes no part is taken out"


@pytest.mark.parametrize("head", SEMANTIC)
def test_sides_need_not_be_multiples_of_anything(head: str) -> None:
    network = build("resnet18", head, (75, 91)).eval()
    assert network(torch.randn(1, 3, 75, 91)).shape == (1, 4, 75, 91)


def test_layers_that_only_class_scores_need_are_taken_out() -> None:
    options = NetworkOptions(4, 3, (224, 224))
    with torch.device("meta"):
        whole = resolve_network("vgg11").build(options)
        network = build("vgg11", "fcn", (224, 224))
    assert count_parameters(network.backbone) < 0.1 * count_parameters(whole)
    assert network.backbone.feature_spec == whole.feature_spec


def test_the_backbone_gives_the_same_maps_as_before() -> None:
    torch.manual_seed(0)
    options = NetworkOptions(4, 3, (64, 64))
    alone = resolve_network("googlenet").build(options).eval()
    pixels = torch.randn(2, 3, 64, 64)
    before = alone.forward_features(pixels)
    network = SpatialNetwork(alone, HEADS.get("unet").build(alone.feature_spec, options), options).eval()
    after = network.backbone.forward_features(pixels)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert backbone_of(network) is network.backbone
    assert backbone_of(network.head) is network.head


def test_stages_are_chosen_one_a_stride_and_not_too_fine() -> None:
    spec = FeatureSpec((Stage("a", 8, 1), Stage("b", 8, 1), Stage("c", 16, 2), Stage("d", 32, 4), Stage("e", 64, 8)))
    assert [stage.name for stage in one_stage_a_stride(spec)] == ["b", "c", "d", "e"]
    assert [stage.name for stage in choose_stages(spec)] == ["c", "d", "e"]
    small = FeatureSpec((Stage("a", 8, 1), Stage("c", 16, 2), Stage("d", 32, 4)))
    assert [stage.name for stage in choose_stages(small)] == ["a", "c", "d"]


def test_fcn_begins_with_the_coarsest_scores_alone() -> None:
    network = build("resnet18", "fcn").eval()
    coarsest = network.head.stages[-1]
    pixels = torch.randn(1, 3, 64, 96)
    maps = network.backbone.forward_features(pixels)
    changed = {name: (map if name == coarsest else map + torch.randn_like(map)) for name, map in maps.items()}
    with torch.no_grad():
        torch.testing.assert_close(network.head(maps, (64, 96)), network.head(changed, (64, 96)))


def test_a_head_is_described() -> None:
    for info in HEADS:
        assert info.title
        assert info.paper
        assert HEADS.get(info.name) is info
    assert len(HEADS) == len({info.name for info in HEADS})
    assert np.all([info.task for info in HEADS])


def test_a_pyramid_has_three_levels_none_finer_than_four() -> None:
    torch.manual_seed(0)
    fine = FeaturePyramid(FeatureSpec((Stage("a", 6, 1), Stage("b", 16, 2), Stage("c", 16, 4))), 8)
    assert (fine.strides, [stage.name for stage in fine.stages]) == ([4, 8, 16], ["c"])
    maps = {"a": torch.randn(2, 6, 36, 60), "b": torch.randn(2, 16, 18, 30), "c": torch.randn(2, 16, 9, 15)}
    assert [tuple(level.shape) for level in fine(maps)] == [(2, 8, 9, 15), (2, 8, 5, 8), (2, 8, 3, 4)]
    usual = FeaturePyramid(FeatureSpec(tuple(Stage(str(stride), 8, stride) for stride in (4, 8, 16, 32))), 8)
    assert (usual.strides, len(usual.coarser)) == ([8, 16, 32], 0)
    finest = FeaturePyramid(FeatureSpec((Stage("a", 6, 1), Stage("b", 16, 2))), 8)
    assert finest.strides == [2, 4, 8]
