"""The known truths come out, and a rigged network flips each verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.claims import CLAIMS, all_claims
from striate.claims.activation import Activation, parity_pictures
from striate.claims.bench import Pictures
from striate.claims.bounds import Bounds
from striate.claims.channels import Channels, to_hsv
from striate.claims.convolution import SlidingWindow
from striate.claims.depth import Depth, gabor_fits
from striate.claims.famous_five import Deep, FamousFive
from striate.claims.fitting import Fitting
from striate.claims.human_like import HumanLike, attack, shuffled
from striate.claims.invariance import Invariance, rotated, shifted, translation_gap
from striate.claims.pooling import Pooling, additivity_gaps, as_convolution_gap
from striate.claims.statistics import difference, share
from striate.data.bands import compose_bands
from striate.errors import DataError, UnknownNameError
from striate.networks import build_network
from striate.networks.layers import build_activation
from striate.registry import Registry

BenchOf = Callable[..., object]


def hardly_trained(bench: object) -> object:
    """The same bench with a few steps of each training, where the verdict does not hang on them."""
    bench.effort = replace(bench.effort, steps=4)  # type: ignore[attr-defined]
    return bench


def test_the_ten_claims_are_there_and_whole() -> None:
    assert isinstance(CLAIMS, Registry)
    assert [claim.number for claim in all_claims()] == list(range(1, 11))
    for claim in all_claims():
        assert claim.sentence.endswith((".", "?", "."))
        assert claim.meaning
        assert claim.sources
        assert CLAIMS.get(claim.name) is claim
    with pytest.raises(UnknownNameError, match=r"no claim named 'rotatio'. Nearest: rotation"):
        all_claims(["rotatio"])


# 1


class Isotropic(nn.Module):
    """A kernel that looks the same from all sides, then the mean: truly invariant to turns."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 5, padding=2)
        rows, columns = torch.meshgrid(torch.arange(-2.0, 3), torch.arange(-2.0, 3), indexing="ij")
        with torch.no_grad():
            self.conv.weight.copy_(torch.exp(-(rows**2 + columns**2) / 6).expand(2, 1, 5, 5))
            self.conv.weight[1] *= -1
            self.conv.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        mean = self.conv(x).mean((2, 3))
        return torch.cat([mean - 0.6 * mean.mean(0), torch.zeros(len(x), 8)], 1)


@pytest.mark.slow
def test_convolution_moves_with_the_picture_and_does_not_turn_with_it(bench_of: BenchOf, learned: nn.Module) -> None:
    found = Invariance().measure(bench_of(learned))
    assert found.verdict == "does not hold"
    values = {one.words: one for one in found.measures}
    assert values["shift by a whole stride, without padding"].value < 1e-12
    assert values["change of 0 when the picture turns by 90 degrees, turned back"].value > 0.1


def test_a_network_that_always_says_the_same_proves_nothing(bench_of: BenchOf, learned: nn.Module) -> None:
    class Stubborn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = learned

        def forward(self, x: Tensor) -> Tensor:
            return 0 * self.inner(x) + torch.eye(10)[3]

    found = Invariance(Stubborn().eval()).measure(hardly_trained(bench_of(nn.Identity())))
    assert found.verdict == "does not hold"
    assert "100% of them are one class" in found.summary


def test_a_network_that_looks_alike_from_all_sides_is_invariant(bench_of: BenchOf) -> None:
    bench = hardly_trained(bench_of(nn.Identity()))
    assert Invariance(Isotropic().eval()).measure(bench).verdict == "holds"


def test_changes_by_hand() -> None:
    picture = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert torch.equal(rotated(rotated(picture, 90), -90), picture)
    assert torch.allclose(rotated(picture, 360.0), picture)
    assert shifted(picture, 1)[0, 0, 1:, 1:].tolist() == picture[0, 0, :-1, :-1].tolist()
    strided = nn.Sequential(nn.Conv2d(1, 3, 3, stride=2)).eval()
    gaps = translation_gap(strided, "0", torch.randn(2, 1, 24, 24))
    assert gaps["whole stride"] < 1e-12
    assert gaps["part of a stride"] > 0.1


# 2


@pytest.mark.slow
def test_a_network_of_a_few_steps_is_not_human_like(bench_of: BenchOf, learned: nn.Module) -> None:
    found = HumanLike().measure(bench_of(learned))
    assert found.verdict in ("does not hold", "holds in part")
    assert any("worst direction" in one.words for one in found.measures)


@pytest.mark.parametrize(("bears", "wanted"), [(True, "holds"), (False, "does not hold")])
def test_one_that_bears_what_people_bear_and_needs_the_shape_is(
    bench_of: BenchOf, monkeypatch: pytest.MonkeyPatch, bears: bool, wanted: str
) -> None:
    """One that reads what people read, and one that reads what is torn to pieces and nothing that was touched."""
    bench = bench_of(nn.Identity())
    plain = bench.test.pixels
    torn: list[Tensor] = []

    def tear(pixels: Tensor, grid: int, generator: torch.Generator) -> Tensor:
        torn.append(pixels.clone())
        return torn[-1]

    def right(pictures: Pictures) -> np.ndarray:
        is_torn = any(pictures.pixels is one for one in torn)
        touched = is_torn or not torch.equal(pictures.pixels, plain[: len(pictures)])
        return np.full(len(pictures), not is_torn if bears else is_torn or not touched)

    monkeypatch.setattr("striate.claims.human_like.shuffled", tear)
    monkeypatch.setattr("striate.claims.human_like.attack", lambda _bench, part, _radius: part.pixels + 1e-3)
    monkeypatch.setattr(bench, "right", right)
    monkeypatch.setattr(bench, "scores", lambda pixels: torch.full((len(pixels), 10), 0.1))
    assert HumanLike().measure(bench).verdict == wanted


def test_attacks_stay_within_their_radius_and_patches_are_only_moved(bench_of: BenchOf, learned: nn.Module) -> None:
    bench = bench_of(learned)
    few = bench.test.of(slice(0, 20))
    changed = attack(bench, few, 4 / 255)
    assert float((changed - few.pixels).abs().max()) <= 4 / 255 + 1e-6
    assert bench.right(Pictures(changed, few.labels)).mean() <= bench.right(few).mean()
    torn = shuffled(few.pixels, 4, torch.Generator().manual_seed(0))
    assert torch.equal(torn.flatten(1).sort(1).values, few.pixels.flatten(1).sort(1).values)


# 3


def in_colour(digits: Pictures) -> Pictures:
    """The class is which of red and green is brighter."""
    labels = torch.arange(len(digits)) % 2
    mean = torch.rand(len(digits), 1, 1, 1, generator=torch.Generator().manual_seed(0))
    step = (labels * 0.6 - 0.3).view(-1, 1, 1, 1)
    noise = 0.05 * torch.rand(len(digits), 3, 28, 28, generator=torch.Generator().manual_seed(1))
    return Pictures((torch.cat([mean + step, mean - step, mean], 1) * 0.5 + 0.25 + noise).clamp(0, 1), labels)


@pytest.mark.slow
def test_one_channel_is_too_little_where_the_difference_counts_and_enough_where_it_says_all(
    bench_of: BenchOf, digits: tuple[Pictures, Pictures]
) -> None:
    train, test = (in_colour(part) for part in digits)
    assert Channels().measure(bench_of(nn.Identity(), train, test)).verdict == "does not hold"
    noisy = {"all": lambda pixels: torch.rand_like(pixels.repeat(1, 2, 1, 1)), "one": lambda pixels: pixels}
    assert Channels(noisy).measure(bench_of(nn.Identity())).verdict == "holds"


@pytest.mark.slow
def test_the_one_band_that_carries_the_class_is_named(bench_of: BenchOf) -> None:
    samples = compose_bands(440, 1, 0)
    pixels = torch.from_numpy(np.stack([sample.read().pixels for sample in samples]))
    labels = torch.tensor([sample.annotation.index for sample in samples])
    bench = bench_of(nn.Identity(), Pictures(pixels[:320], labels[:320]), Pictures(pixels[320:], labels[320:]))
    bench.run.facts.channel_names = tuple(f"channel {index}" for index in range(5))
    bench.effort = replace(bench.effort, steps=120)
    found = Channels().measure(bench)
    assert "Only channel 3 carries the class: each of the others (channel 0, channel 1, channel 2, channel 4)" in (
        found.summary
    )
    assert "The best of them, channel 3 alone" in found.summary
    rows = [row for row in found.table if "best channel alone" in row]
    assert {row["best channel alone"] for row in rows} >= {"channel 3 alone"}


def test_grey_pictures_have_nothing_to_compare(bench_of: BenchOf) -> None:
    with pytest.raises(DataError, match="these pictures have one channel"):
        Channels().measure(bench_of(nn.Identity()))


def test_hue_saturation_value_by_hand() -> None:
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0.5], [0.5, 0.5, 0.5]]).view(4, 3, 1, 1)
    assert to_hsv(colours).flatten(1).tolist() == [
        pytest.approx([0, 1, 1]),
        pytest.approx([1 / 3, 1, 1]),
        pytest.approx([2 / 3, 1, 0.5]),
        pytest.approx([0, 0, 0.5]),
    ]


# 4


@pytest.mark.slow
def test_without_activations_a_network_is_one_matrix(bench_of: BenchOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.claims.activation.KINDS", ("none", "relu"))
    monkeypatch.setattr("striate.claims.activation.STEPS_FOR_PAIRS", 100)
    found = Activation().measure(bench_of(nn.Identity()))
    assert found.verdict in ("holds", "holds in part")
    assert found.measures[0].value < 1e-9
    assert found.measures[1].low is not None
    assert found.measures[1].low > 0.1


def test_a_network_that_only_says_to_have_none_is_found_out(bench_of: BenchOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.claims.activation.KINDS", ("none", "relu"))
    monkeypatch.setattr("striate.claims.activation.STEPS_FOR_PAIRS", 5)
    rigged = Activation(lambda options: build_network("lenet5", replace(options, activation="relu")))
    assert rigged.measure(hardly_trained(bench_of(nn.Identity()))).verdict == "does not hold"


def test_no_single_layer_tells_a_parity() -> None:
    pictures = parity_pictures(400, 0)
    flat = pictures.pixels.flatten(1).double()
    known = torch.cat([flat, torch.ones(400, 1, dtype=torch.float64)], 1)
    weights = torch.linalg.lstsq(known[:300, ::7], pictures.labels[:300, None].double() * 2 - 1).solution
    right = (known[300:, ::7] @ weights > 0).squeeze(1) == pictures.labels[300:].bool()
    assert 0.3 < float(right.double().mean()) < 0.7


# 5


@pytest.mark.slow
def test_bounds_hold_and_a_rigged_activation_breaks_them(bench_of: BenchOf) -> None:
    found = Bounds().measure(bench_of(nn.Identity()))
    assert found.verdict == "holds"
    assert all(one.value == 0 for one in found.measures[:3])
    rigged = Bounds(lambda name: nn.LeakyReLU(0.1) if name == "relu" else build_activation(name))
    assert rigged.measure(hardly_trained(bench_of(nn.Identity()))).verdict == "does not hold"


# 6


def test_what_is_read_off_grows_and_a_network_that_forgets_does_not_hold(bench_of: BenchOf, learned: nn.Module) -> None:
    assert Depth().measure(bench_of(learned)).verdict in ("holds", "holds in part", "cannot tell")
    torch.manual_seed(0)
    forgetful = nn.Sequential(nn.Conv2d(1, 8, 5), nn.MaxPool2d(24), nn.Conv2d(8, 1, 1), nn.Flatten()).eval()
    with torch.no_grad():
        forgetful[2].weight.zero_()
        forgetful[0].weight.copy_(torch.randn(8, 1, 5, 5))
    assert Depth().measure(bench_of(forgetful)).verdict in ("does not hold", "cannot tell")


def test_gabor_functions_explain_edges_and_not_noise() -> None:
    edges = torch.zeros(8, 1, 7, 7)
    edges[:, :, :, :3], edges[:, :, :, 4:] = -1.0, 1.0
    own, random = gabor_fits(edges, 0)
    assert own is not None
    assert random is not None
    assert own.min() > 0.7
    assert random.mean() < 0.5
    assert gabor_fits(torch.zeros(4, 3, 1, 1), 0) == (None, None)


# 7


def test_average_pooling_is_a_convolution_and_the_maximum_is_none(bench_of: BenchOf) -> None:
    found = Pooling().measure(bench_of(nn.Identity()))
    assert found.verdict == "holds in part"
    assert found.measures[0].value < 1e-12
    assert found.measures[1].value > 0.05
    bench = hardly_trained(bench_of(nn.Identity()))
    assert Pooling(lambda x: F.avg_pool2d(x, 2)).measure(bench).verdict == "holds"


def test_linearity_by_hand() -> None:
    pixels = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert additivity_gaps(lambda x: F.avg_pool2d(x, 2), pixels).max() < 1e-12
    assert as_convolution_gap(lambda x: F.conv2d(x, torch.ones(1, 1, 2, 2).double(), stride=2), pixels) < 1e-12
    assert as_convolution_gap(lambda x: F.max_pool2d(x, 2), pixels) > 0.1


# 8


class PlaceDependent(nn.Conv2d):
    """Says more at the bottom than at the top, which no sliding window does."""

    def forward(self, x: Tensor) -> Tensor:
        given = super().forward(x)
        return given * torch.linspace(1, 2, given.shape[2], dtype=given.dtype)[:, None]


def test_a_layer_is_a_sliding_window_unless_it_depends_on_the_place(bench_of: BenchOf, learned: nn.Module) -> None:
    assert SlidingWindow().measure(bench_of(learned)).verdict == "holds"
    rigged = nn.Sequential(PlaceDependent(1, 2, 3), nn.Flatten(), nn.LazyLinear(10))
    rigged(torch.zeros(1, 1, 28, 28))
    assert SlidingWindow().measure(bench_of(rigged)).verdict == "does not hold"


# 9


@pytest.mark.slow
def test_gaps_close_with_pictures_and_a_network_without_an_inside_shows_nothing(
    bench_of: BenchOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striate.claims.fitting.WIDTHS", (1, 3, 8))
    found = Fitting().measure(bench_of(nn.Identity()))
    assert found.verdict in ("holds", "holds in part")

    def constant(width: int, channels: int, classes: int) -> nn.Module:
        network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
        network.register_forward_hook(lambda _module, _inputs, output: 0 * output)
        return network

    assert Fitting(constant).measure(hardly_trained(bench_of(nn.Identity()))).verdict == "cannot tell"


# 10


@pytest.mark.parametrize(
    ("order", "wanted"), [((0.2, 0.9), "holds"), ((0.9, 0.2), "does not hold"), ((0.5, 0.5), "cannot tell")]
)
def test_the_order_of_the_years_counts(
    bench_of: BenchOf, monkeypatch: pytest.MonkeyPatch, order: tuple[float, float], wanted: str
) -> None:
    bench = bench_of(nn.Identity())
    shares = dict(zip(("lenet5", "alexnet"), order, strict=True))

    class Known:
        network = nn.Linear(1, 1)

        def __init__(self, part: float) -> None:
            self.part = part

        def right(self, pictures: Pictures) -> np.ndarray:
            return np.arange(len(pictures)) < self.part * len(pictures)

    def fit(_train: Pictures, net: object, **_: object) -> Known:
        return Known(shares[net] if isinstance(net, str) else 0.5)

    monkeypatch.setattr(bench, "fit", fit)
    monkeypatch.setattr(bench, "step_seconds", lambda *_: 0.1)
    assert FamousFive(("lenet5", "alexnet")).measure(bench).verdict == wanted


def test_a_block_with_a_skip_connection_adds_what_it_took() -> None:
    torch.manual_seed(0)
    network = Deep(1, 3, 1, skip=True).eval()
    for weight in network.blocks.parameters():
        nn.init.zeros_(weight)
    picture = torch.rand(2, 1, 28, 28)
    kept: list[Tensor] = []
    network.stem.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    scores = network(picture)
    alone = network.out(F.adaptive_avg_pool2d(F.max_pool2d(kept[0], 2), 4).flatten(1))
    assert torch.allclose(scores, alone, atol=1e-6)


# Statistics


def test_intervals_and_paired_differences() -> None:
    right = np.arange(100) < 80
    found = share("right", right)
    assert (found.value, found.low is not None and 0.68 < found.low < 0.8) == (0.8, True)
    same = difference("none", [right], [right])
    assert (same.value, same.low, same.high) == (0, 0, 0)
    more = difference("more", [np.ones(100, bool)], [right])
    assert more.value == pytest.approx(0.2)
    assert more.low is not None
    assert more.low > 0.1
