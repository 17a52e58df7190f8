"""Claim 1: convolution layers are rotation invariant."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.claims.base import CLAIMS, Claim, Drawing, Finding, Line, Measure, VerdictWord
from striate.claims.bench import Bench, Pictures
from striate.claims.convolution import first_convolution
from striate.claims.statistics import Bools, difference, is_above, is_below, mean_over, share, share_over_seeds
from striate.networks.kernels import Kernels, kernels_of
from striate.networks.watching import watching

ROUNDING = 1e-5
INVARIANT = 0.05
"""Change of a layer's answer, as a share of its size, up to which it counts as the same."""

ANGLES = (15.0, 30.0, 45.0, 90.0, 180.0)
MOST = 96


@dataclass(frozen=True, slots=True)
class Change:
    """Something done to a picture that leaves its meaning as it is.

    Attributes:
        name: What is done.
        apply: To pictures `(N, C, H, W)`.
    """

    name: str
    apply: Callable[[Tensor], Tensor]


def rotated(pixels: Tensor, degrees: float) -> Tensor:
    """Pictures turned about their middle; right angles of square pictures are exact."""
    turns = degrees / 90
    if turns == round(turns) and pixels.shape[2] == pixels.shape[3]:
        return torch.rot90(pixels, round(turns), (2, 3))
    angle = math.radians(degrees)
    height, width = (int(side) for side in pixels.shape[2:])
    ratio = height / width
    theta = torch.tensor(
        [[math.cos(angle), -math.sin(angle) * ratio, 0.0], [math.sin(angle) / ratio, math.cos(angle), 0.0]]
    )
    grid = F.affine_grid(theta[None].expand(len(pixels), -1, -1).to(pixels), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def shifted(pixels: Tensor, by: int) -> Tensor:
    """Pictures moved down and to the right by whole pixels; the edge is repeated."""
    if by == 0:
        return pixels
    return F.pad(pixels, (by, 0, by, 0), mode="replicate")[:, :, : pixels.shape[2], : pixels.shape[3]]


def scaled(pixels: Tensor, factor: float) -> Tensor:
    """Pictures seen from nearer or farther, the middle kept."""
    theta = torch.tensor([[1 / factor, 0.0, 0.0], [0.0, 1 / factor, 0.0]])
    grid = F.affine_grid(theta[None].expand(len(pixels), -1, -1).to(pixels), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


CHANGES = (
    Change("shift by 1 pixel", lambda pixels: shifted(pixels, 1)),
    Change("shift by 4 pixels", lambda pixels: shifted(pixels, 4)),
    Change("mirror", lambda pixels: pixels.flip(3)),
    Change("scale by 1.2", lambda pixels: scaled(pixels, 1.2)),
    *(Change(f"rotate by {angle:g} degrees", partial(rotated, degrees=angle)) for angle in ANGLES),
)


CONSTANT = 0.95
"""Share of pictures with one and the same answer from which answers say nothing about what changes them."""


class Invariance(Claim):
    """Equivariance of the layer itself, then what the whole network answers to changed pictures.

    Args:
        network: Looked at instead of the run's own; for tests.
    """

    name = "rotation"
    number = 1
    sentence = "Convolution layers are rotation invariant."
    meaning = (
        "Turning the picture would leave what a layer gives as it is (invariance), or turn it alike (equivariance), "
        "and the network's answer would stay."
    )
    sources = (
        "Lenc and Vedaldi: Understanding Image Representations by Measuring Their Equivariance and Equivalence, 2015",
        "Cohen and Welling: Group Equivariant Convolutional Networks, 2016",
        "Zhang: Making Convolutional Networks Shift-Invariant Again, 2019 (blur-pool)",
    )

    def __init__(self, network: nn.Module | None = None) -> None:
        self._network = network

    def seconds(self, bench: Bench) -> float:
        """A few dozen passes, and two short trainings of each seed."""
        return 25 + 3 * bench.effort.seeds * bench.effort.steps * bench.step_seconds()

    def measure(self, bench: Bench) -> Finding:
        """Layer first, then the answers, then networks trained without turns, with turns, and with blur-pool."""
        network = self._network if self._network is not None else bench.network
        few = bench.test.of(slice(0, MOST))
        pixels = square(bench.normalise(few.pixels))
        layer = first_convolution(network)
        translation = translation_gap(network, layer, pixels)
        turned = {angle: layer_gap(network, layer, pixels, angle) for angle in (90.0, 30.0)}
        by_depth = answers_by_depth(network, pixels)
        kept = self._kept(network, bench, few)
        commonest = _commonest(answers(network, bench.normalise(few.pixels)))
        trained = self._trained(bench)
        return self._judged(layer, translation, turned, by_depth, kept, commonest, trained)

    def _kept(self, network: nn.Module, bench: Bench, few: Pictures) -> dict[str, Measure]:
        """Share of pictures whose answer stays under each change."""
        before = answers(network, bench.normalise(few.pixels))
        found = {}
        for change in CHANGES:
            after = answers(network, bench.normalise(change.apply(few.pixels)))
            found[change.name] = share(f"answer kept, {change.name}", np.asarray((after == before).numpy()))
        return found

    def _trained(self, bench: Bench) -> dict[str, dict[str, list[Bools]]]:
        """Right on plain and turned pictures: networks trained without turns, with turns, and with blurred pooling."""
        plain = bench.small_test
        turned = plain.with_pixels(
            lambda pixels: torch.cat([rotated(one[None], angle) for one, angle in _turns(pixels)])
        )
        found: dict[str, dict[str, list[Bools]]] = {}
        for kind in ("plain", "with turns", "blur-pool"):
            for seed in bench.seeds():
                fitted = bench.fit(
                    bench.small_train,
                    "lenet5" if kind != "blur-pool" else lambda: blurred_lenet(bench),
                    key=f"rotation-{kind}",
                    seed=seed,
                    change=_turn_at_random if kind == "with turns" else None,
                )
                own = found.setdefault(kind, {"plain": [], "turned": [], "shifted": []})
                own["plain"].append(fitted.right(plain))
                own["turned"].append(fitted.right(turned))
                same = fitted.scores(plain.pixels).argmax(1) == fitted.scores(shifted(plain.pixels, 1)).argmax(1)
                own["shifted"].append(np.asarray(same.numpy()))
        return found

    def _judged(
        self,
        layer: str,
        translation: Mapping[str, float],
        turned: Mapping[float, np.ndarray],
        by_depth: Mapping[str, np.ndarray],
        kept: Mapping[str, Measure],
        commonest: float,
        trained: Mapping[str, Mapping[str, list[Bools]]],
    ) -> Finding:
        quarter = mean_over(f"change of {layer} when the picture turns by 90 degrees, turned back", turned[90.0])
        oblique = mean_over(f"change of {layer} when the picture turns by 30 degrees, turned back", turned[30.0])
        half = kept["rotate by 90 degrees"]
        layer_same = quarter.value < INVARIANT and oblique.value < 3 * INVARIANT
        # A network that always says the same keeps its answer whatever is done to the picture.
        speaks = commonest < CONSTANT
        answers_same = speaks and not is_below(half, 0.95)
        verdict: VerdictWord = (
            "holds"
            if layer_same and (answers_same or not speaks)
            else "holds in part"
            if layer_same or answers_same
            else "does not hold"
        )
        gain = difference(
            "turned pictures: trained with turns over without",
            trained["with turns"]["turned"],
            trained["plain"]["turned"],
        )
        own = {
            f"{kind}, {what}": share_over_seeds(f"trained {kind}, {_WHAT[what]}", right)
            for kind, rights in trained.items()
            for what, right in rights.items()
        }
        names = list(by_depth)
        stays = (
            f"{half.value:.0%} of the answers stay"
            if speaks
            else f"its answers say nothing, since {commonest:.0%} of them are one class"
        )
        training = (
            f"gains {_points(gain)} on turned ones: it is the training that does it"
            if is_above(gain, 0)
            else f"does not clearly gain on turned ones ({_points(gain)})"
        )
        return Finding(
            verdict=verdict,
            summary=(
                f"Moved by whole strides, {layer} gives the same moved ({translation['whole stride']:.0e}, rounding): "
                f"convolution is translation equivariant away from the padding (near it they differ by "
                f"{translation['with padding']:.0%}). Turned by 90 degrees its maps, turned back, differ by "
                f"{quarter.value:.0%} of their size, and {stays}. Trained with turned pictures a small network "
                f"{training}."
            ),
            measures=(
                Measure("shift by a whole stride, without padding", translation["whole stride"], form=".1e"),
                Measure("shift by a whole stride, near the padding", translation["with padding"], form=".1%"),
                *(
                    [Measure("shift by a part of a stride", translation["part of a stride"], form=".1%")]
                    if "part of a stride" in translation
                    else []
                ),
                quarter,
                oblique,
                *kept.values(),
                gain,
                *own.values(),
            ),
            drawing=Drawing(
                "layer, from the picture to the answer",
                "change of its means, as a share of their spread",
                (Line("change", names, [float(by_depth[name].mean()) for name in names]),),
                "How much each map's mean over all places changes when the picture turns by 90 degrees, beside how "
                "much it changes from picture to picture; 0 would be invariant.",
            ),
            notes=(
                "Whole turns of square pictures are exact; other angles resample it, which alone changes values.",
                "On pictures whose class does not survive a turn (6 and 9), invariance would be a fault.",
            ),
        )


_WHAT = {"plain": "right on plain pictures", "turned": "right on turned ones", "shifted": "answer kept when moved by 1"}


def _commonest(given: Tensor) -> float:
    """Share of pictures that get the commonest answer."""
    return float(torch.bincount(given).max()) / len(given)


def _points(gain: Measure) -> str:
    """A difference of shares in percentage points, with its interval."""
    ends = "" if gain.low is None or gain.high is None else f" ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
    return f"{100 * gain.value:+.1f} points{ends}"


def square(pixels: Tensor) -> Tensor:
    """The middle square, so that right angles are exact."""
    height, width = (int(side) for side in pixels.shape[2:])
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[:, :, top : top + side, left : left + side]


@torch.inference_mode()
def answers(network: nn.Module, pixels: Tensor) -> Tensor:
    """The class that a network answers with, `(N,)`."""
    return torch.cat([network(part).argmax(1) for part in torch.split(pixels, 64)])


def _layer(network: nn.Module, layer: str) -> tuple[nn.Module, Kernels]:
    import copy

    module = copy.deepcopy(network.get_submodule(layer)).double().eval()
    kernels = kernels_of(module)
    assert kernels is not None  # `first_convolution` chose it for that
    return module, kernels


@torch.inference_mode()
def translation_gap(network: nn.Module, layer: str, pixels: Tensor) -> dict[str, float]:
    """How far a layer is from giving the same, moved, when the picture moves: by a stride, and by a part of one."""
    module, kernels = _layer(network, layer)
    step, near = max(kernels.stride), int(max(kernels.weight.shape[2:])) + 1
    shown = pixels.double()
    given = module(shown)
    size = float(given.abs().mean().clamp_min(1e-12))
    moved = module(torch.roll(shown, (step, step), (2, 3)))
    gap = (torch.roll(given, (1, 1), (2, 3)) - moved).abs() / size
    inner = gap[:, :, near:-near, near:-near]
    found = {"whole stride": float(inner.max()), "with padding": float(gap.mean())}
    if step > 1:
        part = module(torch.roll(shown, (step // 2, step // 2), (2, 3)))
        found["part of a stride"] = float((given - part)[:, :, near:-near, near:-near].abs().mean() / size)
    return found


@torch.inference_mode()
def layer_gap(network: nn.Module, layer: str, pixels: Tensor, degrees: float) -> np.ndarray:
    """How far a layer's maps, turned back, are from those of the upright picture, picture by picture, as a share."""
    module, _ = _layer(network, layer)
    shown = pixels.double()
    given = module(shown)
    back = rotated(module(rotated(shown, degrees)), -degrees)
    # The corners leave the picture when it turns; what a circle holds is there both times.
    inside = _disc(int(given.shape[2]), int(given.shape[3]))
    gap = ((given - back) * inside).flatten(1).norm(dim=1) / (given * inside).flatten(1).norm(dim=1).clamp_min(1e-12)
    return np.asarray(gap.numpy())


def _disc(height: int, width: int) -> Tensor:
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return (rows**2 + columns**2 < 0.8).double()


@torch.inference_mode()
def answers_by_depth(network: nn.Module, pixels: Tensor) -> dict[str, np.ndarray]:
    """How much each layer's mean over places changes when the picture turns by 90 degrees, picture by picture."""
    names = [name for name, module in network.named_modules() if kernels_of(module) is not None]
    step = max(1, len(names) // 12)
    chosen = list(dict.fromkeys([*names[::step], names[-1]]))
    kept: dict[str, Tensor] = {}

    def see(name: str, output: Tensor) -> None:
        kept[name] = output.flatten(2).mean(2) if output.ndim == 4 else output

    with watching({name: network.get_submodule(name) for name in chosen}, see):
        network(pixels)
        upright = dict(kept)
        network(torch.rot90(pixels, 1, (2, 3)))
        turned = dict(kept)
    found = {}
    for name in upright:
        spread = (upright[name] - upright[name].mean(0)).norm(dim=1).mean().clamp_min(1e-12)
        found[name] = np.asarray(((turned[name] - upright[name]).norm(dim=1) / spread).numpy())
    return found


def _turns(pixels: Tensor) -> list[tuple[Tensor, float]]:
    generator = np.random.default_rng(7)
    return [(one, float(generator.uniform(0, 360))) for one in pixels]


def _turn_at_random(pixels: Tensor, generator: torch.Generator) -> Tensor:
    angles = torch.rand(len(pixels), generator=generator) * 2 * math.pi
    height, width = (int(side) for side in pixels.shape[2:])
    ratio = height / width
    zero = torch.zeros_like(angles)
    theta = torch.stack(
        [
            torch.stack([angles.cos(), -angles.sin() * ratio, zero], 1),
            torch.stack([angles.sin() / ratio, angles.cos(), zero], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


class BlurPool(nn.Module):
    """Maximum at every place, then a binomial blur before every second place is taken (Zhang 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.MaxPool2d(2, 1)
        self.register_buffer("kernel", torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0])) / 16)
        self.kernel: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, C, H/2, W/2)`."""
        channels = int(x.shape[1])
        dense = F.pad(self.dense(x), (1, 1, 1, 1), mode="replicate")
        return F.conv2d(dense, self.kernel.expand(channels, 1, 3, 3), stride=2, groups=channels)


def blurred_lenet(bench: Bench) -> nn.Module:
    """LeNet-5 with blurred pooling."""
    from striate.networks import NetworkOptions, build_network

    pixels = bench.small_train.pixels
    size_hw = (int(pixels.shape[2]), int(pixels.shape[3]))
    network = build_network("lenet5", NetworkOptions(len(bench.classes), int(pixels.shape[1]), size_hw))
    for name, module in list(network.named_children()):
        if isinstance(module, nn.MaxPool2d):
            setattr(network, name, BlurPool())
    return network


CLAIMS.add(Invariance.name, Invariance())
