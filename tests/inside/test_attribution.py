"""Maps of reasons: those of captum, and checks that tell meaning from decoration."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.errors import RequestError
from striate.inside.attribution import (
    METHODS,
    choose_layer,
    grad_cam,
    integrated_gradients,
    integrated_values,
    layer_cam,
    occlusion,
)
from striate.inside.objectives import Objective, objectives_of, score_pictures
from striate.inside.sanity import check_randomised, deletion_and_insertion, randomise, rank_correlation
from striate.networks import NetworkOptions, build_network

CLASSES = ("ant", "bee", "cow")


def classifier(name: str = "resnet20", side: int = 32) -> nn.Module:
    torch.manual_seed(1)
    return build_network(name, NetworkOptions(classes=3, channels=3, size_hw=(side, side))).eval()


def picture(side: int = 32) -> Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(2))


def of_class(index: int) -> Objective:
    return Objective("a score", CLASSES[index], 0.0, lambda output: output[:, index])


class Corner(nn.Module):
    """Its score is the mean of the upper left quarter of the first channel, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2] // 2, x.shape[3] // 2
        corner = self.conv(x)[:, :, :height, :width].mean((1, 2, 3))
        return torch.stack([corner, -corner], 1)


def test_grad_cam_and_integrated_gradients_are_captums() -> None:
    attr = pytest.importorskip("captum.attr")
    network, shown = classifier(), picture()
    layer = network.get_submodule("layer3")
    theirs = attr.LayerGradCam(network, layer).attribute(shown, target=1, relu_attributions=True)
    theirs = F.interpolate(theirs, (32, 32), mode="bilinear", align_corners=False)[0, 0].detach()
    assert torch.allclose(grad_cam(network, shown, of_class(1), layer), theirs, rtol=1e-4, atol=1e-7)
    values = attr.IntegratedGradients(network).attribute(shown, target=1, n_steps=50)
    assert torch.allclose(
        integrated_values(network, shown, of_class(1), steps=50), values.float(), rtol=1e-3, atol=1e-6
    )


def test_integrated_gradients_add_up_to_the_difference() -> None:
    network, shown = classifier(), picture()
    total = float(integrated_gradients(network, shown, of_class(2), steps=200).sum())
    difference = score_pictures(network, torch.cat([shown, torch.zeros_like(shown)]), of_class(2))
    assert total == pytest.approx(float(difference[0] - difference[1]), rel=0.02, abs=0.01)


def test_every_method_marks_what_the_score_is_made_of() -> None:
    network, shown = Corner().eval(), picture().abs() + 0.5
    for name, (_, method) in METHODS.items():
        plane = method(network, shown, of_class(0), network.conv)
        assert plane.shape == (32, 32)
        inside, outside = plane[:14, :14].abs().mean(), plane[18:, 18:].abs().mean()
        if name in ("grad-cam", "grad-cam++"):
            # Weights for whole maps cannot tell where in the map the gradient was.
            assert float(inside) > 0
        else:
            assert float(outside) < 0.05 * float(inside), name


def test_covering_what_matters_costs_the_score() -> None:
    network, shown = Corner().eval(), torch.ones(1, 3, 20, 20)
    plane = occlusion(network, shown, of_class(0), patch=10)
    # A square of half a side over the quarter takes all of the score, 1.
    assert float(plane[2, 2]) == pytest.approx(0.75, abs=0.26)
    assert float(plane[-1, -1]) == 0.0


def test_a_map_that_ignores_the_weights_fails_and_one_that_follows_them_passes() -> None:
    network, shown = classifier(), picture()

    def edges(_network: nn.Module, seen: Tensor, _objective: Objective, _layer: nn.Module) -> Tensor:
        grey = seen.mean(1)[0]
        return (grey - torch.roll(grey, 1, 0)).abs() + (grey - torch.roll(grey, 1, 1)).abs()

    plain = check_randomised(edges, network, shown, of_class(0), "layer3")
    assert not plain.follows_weights
    assert plain.correlation == pytest.approx(1.0)
    assert "it shows the picture, not what the network learned" in plain.words
    assert check_randomised(layer_cam, network, shown, of_class(0), "layer3").follows_weights


def test_shuffled_weights_are_the_same_numbers_elsewhere() -> None:
    network = classifier()
    shuffled = randomise(network)
    for own, other in zip(network.parameters(), shuffled.parameters(), strict=True):
        assert torch.equal(own.flatten().sort().values, other.flatten().sort().values)
    assert any(not torch.equal(*pair) for pair in zip(network.parameters(), shuffled.parameters(), strict=True))


def test_what_is_marked_matters_only_where_it_does() -> None:
    network, shown = Corner().eval(), torch.zeros(1, 3, 32, 32)
    shown[:, :, 2:10, 2:10] = 4.0
    right = torch.zeros(32, 32)
    right[2:10, 2:10] = 1.0
    found, wrong = deletion_and_insertion([right, right.flip(0, 1)], network, shown, of_class(0))
    assert found.matters
    assert found.deletion[0] == pytest.approx(found.insertion[-1])
    assert not wrong.matters
    assert "no more than chance would have it" in wrong.words


def test_rank_correlation_by_hand() -> None:
    one = torch.tensor([[1.0, 2, 3]])
    assert rank_correlation(one, torch.tensor([[10.0, 100, 1000]])) == pytest.approx(1.0)
    assert rank_correlation(one, -one) == pytest.approx(-1.0)
    assert rank_correlation(one, torch.ones(1, 3)) == 0.0


def test_the_layer_is_the_deepest_that_still_says_where() -> None:
    network = classifier(side=32)
    name, module = choose_layer(network, picture())
    kept: list[Tensor] = []
    handle = module.register_forward_hook(lambda _m, _i, output: kept.append(output))
    network(picture())
    handle.remove()
    assert kept[-1].shape[2] * kept[-1].shape[3] >= 49
    assert name.startswith("layer3")


def test_objectives_of_classes_places_and_pixels() -> None:
    scores = torch.tensor([[1.0, 3.0, 2.0]])
    found = objectives_of(scores, CLASSES)
    assert [one.class_name for one in found] == ["bee", "cow", "ant"]
    assert objectives_of(scores, CLASSES, "cow")[0].value == 2.0
    with pytest.raises(RequestError, match=r"there is no class 'dog'. The classes are ant, bee, cow"):
        objectives_of(scores, CLASSES, "dog")
    planes = torch.zeros(1, 3, 2, 4)
    planes[0, 1, :, :3] = 5.0
    planes[0, 2, :, 3:] = 7.0
    first, second = objectives_of(planes, CLASSES)
    assert (first.class_name, second.class_name) == ("bee", "cow")
    assert float(second.of_output(planes)[0]) == 7.0
    assert "25% of the picture" in second.words
    places = torch.zeros(1, 4, 3)
    places[0, 2, 0] = 0.9
    best = objectives_of(places, CLASSES)[0]
    assert (best.class_name, float(best.of_output(places)[0])) == ("ant", pytest.approx(0.9))
