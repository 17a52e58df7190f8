"""Feature maps on one scale, dead and saturated units, what excites a unit, and receptive fields."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.inside.drawing import arrange, mosaic, over
from striate.inside.excitement import maximise_activation, most_exciting, window_in_picture
from striate.inside.fields import effective_field
from striate.inside.maps import Scale
from striate.networks.activity import measure_activity


def test_a_scale_is_shared_and_shows_signs() -> None:
    scale = Scale.of(np.array([-1.0, 4.0]))
    assert (scale.low, scale.high) == (-4.0, 4.0)
    shown = scale.pixels(np.array([[-4.0, 0.0, 4.0]]))
    assert shown[:, 0, 1].tolist() == [255, 255, 255]
    assert shown[2, 0, 0] > shown[0, 0, 0]
    assert shown[0, 0, 2] > shown[2, 0, 2]
    grey = Scale.of(np.array([0.0, 2.0]))
    assert grey.pixels(np.array([[0.0, 1.0, 2.0]]))[0].tolist() == [[0, 128, 255]]
    assert str(grey) == "0 (black) to 2 (white)"


def test_planes_stand_in_rows() -> None:
    sheet = mosaic(np.zeros((3, 4, 5)), Scale(0.0, 1.0), 20)
    # Each is enlarged four times; two gaps of two pixels.
    assert sheet.shape == (3, 16, 64)
    assert arrange([np.zeros((3, 10, 600), np.uint8)] * 2).shape == (3, 22, 600)


class Units(nn.Module):
    """Three units: one dead, one alive, one that is always on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 1)
        self.act = nn.ReLU()
        self.squash = nn.Sigmoid()
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([0.0, 1.0, 1.0]).view(3, 1, 1, 1))
            self.conv.bias.copy_(torch.tensor([-1.0, 0.0, 10.0]))

    def forward(self, x: Tensor) -> Tensor:
        return self.squash(self.act(self.conv(x)))


def test_dead_zero_and_saturated_are_counted() -> None:
    batches = [torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1), torch.tensor([2.0]).view(1, 1, 1, 1)]
    relu, sigmoid = measure_activity(Units().eval(), batches)
    assert (relu.name, relu.pictures, relu.saturated) == ("act", 3, None)
    assert relu.dead.tolist() == [0]
    # Three of the dead unit, one of the second.
    assert relu.zeros == pytest.approx(4 / 9)
    # The third unit gives 9 and more, which is 1 after the sigmoid.
    assert sigmoid.saturated == pytest.approx(3 / 9)


def test_a_layer_that_is_used_twice_is_told_of_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.act = nn.Conv2d(1, 3, 1), nn.Conv2d(3, 5, 1), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.second(self.act(self.first(x))))

    found = measure_activity(Twice().eval(), [torch.randn(2, 1, 4, 4), torch.randn(1, 1, 4, 4)])
    assert [(one.name, len(one.largest), one.pictures) for one in found] == [("act", 3, 3), ("act#2", 5, 3)]


def test_the_pictures_that_excite_most_in_order_with_their_place() -> None:
    network = Units().eval()
    pictures = torch.zeros(5, 1, 3, 4)
    for index, value in enumerate([1.0, 5.0, 2.0, 4.0, 3.0]):
        pictures[index, 0, index % 3, 2] = value
    found = most_exciting(network, network.act, 1, pictures.split(2), most=3)
    assert [(one.index, one.value, one.at_yx) for one in found] == [(1, 5, (1, 2)), (3, 4, (0, 2)), (4, 3, (1, 2))]


def test_windows_follow_the_receptive_field() -> None:
    assert window_in_picture((0, 1), (4, 4), (32, 32), (8, 8)) == (8, 0, 16, 8)
    assert window_in_picture((0, 0), (4, 4), (32, 32), (16, 16)) == (0, 0, 12, 12)
    assert window_in_picture((0, 0), (4, 4), (32, 40), None) == (0, 0, 40, 32)


def test_climbing_makes_what_the_unit_looks_for() -> None:
    network = Units().eval()
    made, values = maximise_activation(network, network.conv, 1, (1, 8, 8), steps=30)
    assert values[-1] > values[0] + 0.5
    assert float(made.mean()) > 0.5


def test_effective_fields_lie_in_theoretical_ones() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)).eval()
    field = effective_field(network, network[1], [torch.randn(1, 1, 21, 21)])
    seen = np.argwhere(field.weight > 0)
    assert seen.min(0).tolist() == [8, 8]
    assert seen.max(0).tolist() == [12, 12]
    assert 1 <= field.side <= 5
    with pytest.raises(ValueError, match="no picture"):
        effective_field(network, network[1], [])


def test_what_is_marked_keeps_its_light() -> None:
    picture = np.full((3, 4, 4), 200, np.uint8)
    plane = np.zeros((4, 4))
    plane[0, 0] = 1.0
    drawn = over(picture, plane)
    assert drawn[:, 3, 3].tolist() == [150, 150, 150]
    assert drawn[0, 0, 0] > 200
