"""The definitions in plain NumPy, by hand and beside PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from striate.inside import reference

RANDOM = np.random.default_rng(5)


def torched(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)[None]


def test_a_neuron_by_hand() -> None:
    values, weights = np.array([1.0, 2.0, -3.0]), np.array([0.5, -1.0, 2.0])
    # 0.5 - 2 - 6 + 1
    assert reference.neuron(values, weights, 1.0) == -6.5
    assert reference.neuron(values, weights, 1.0, reference.relu) == 0.0
    assert reference.neuron(values, weights, 7.5, reference.sigmoid) == 0.5
    with pytest.raises(ValueError, match=r"\(3,\) values need as many weights, got \(2,\)"):
        reference.neuron(values, weights[:2])


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu"])
def test_activations_are_those_of_torch(name: str) -> None:
    x = RANDOM.normal(0, 3, 50)
    assert reference.ACTIVATIONS[name](x) == pytest.approx(getattr(torch, name)(torch.from_numpy(x)).numpy())


def test_a_window_slides_by_hand() -> None:
    x = np.arange(9.0).reshape(1, 3, 3)
    kernel = np.array([[[[1.0, 0.0], [0.0, -1.0]]]])
    # Each pixel less the one below to the right of it: always -4; turned it is +4.
    assert reference.cross_correlate(x, kernel).tolist() == [[[-4, -4], [-4, -4]]]
    assert reference.convolve(x, kernel).tolist() == [[[4, 4], [4, 4]]]


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [
        ((1, 1), (0, 0), (1, 1), 1),
        ((2, 1), (1, 2), (1, 1), 1),
        ((1, 2), (2, 0), (2, 1), 2),
        ((3, 3), (1, 1), (1, 2), 4),
    ],
)
def test_convolution_is_that_of_torch(
    stride: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int], groups: int
) -> None:
    x = RANDOM.normal(size=(4, 9, 11))
    kernels, bias = RANDOM.normal(size=(8, 4 // groups, 3, 2)), RANDOM.normal(size=8)
    found = reference.cross_correlate(
        x, kernels, bias, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    wanted = F.conv2d(torched(x), torch.from_numpy(kernels), torch.from_numpy(bias), stride, padding, dilation, groups)[
        0
    ]
    assert found == pytest.approx(wanted.numpy(), abs=1e-12)


def test_convolution_is_a_product_of_spectra() -> None:
    x, kernels = RANDOM.normal(size=(3, 10, 8)), RANDOM.normal(size=(2, 3, 4, 3))
    assert reference.convolve_by_fourier(x, kernels) == pytest.approx(reference.convolve(x, kernels), abs=1e-12)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [((2, 2), None, (0, 0)), ((3, 2), (2, 1), (1, 1))])
def test_pooling_is_that_of_torch(
    kernel: tuple[int, int], stride: tuple[int, int] | None, padding: tuple[int, int]
) -> None:
    x = RANDOM.normal(size=(3, 8, 9))
    largest = F.max_pool2d(torched(x), kernel, stride, padding)[0]
    assert reference.max_pool(x, kernel, stride=stride, padding=padding) == pytest.approx(largest.numpy())
    mean = F.avg_pool2d(torched(x), kernel, stride, padding, count_include_pad=False)[0]
    assert reference.average_pool(x, kernel, stride=stride, padding=padding) == pytest.approx(mean.numpy())
