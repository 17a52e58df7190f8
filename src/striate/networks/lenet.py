"""LeNet-5 (LeCun et al. 1998), as published and in the modern form."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.networks.base import NETWORKS, Network, NetworkInfo, NetworkOptions, Published
from striate.networks.kernels import Kernels
from striate.networks.layers import build_activation, build_pooling, check_size, initialise
from striate.structures import FeatureSpec, Stage

# Maps of S2 that each map of C3 sees (table I).
CONNECTIONS: tuple[tuple[int, ...], ...] = (
    (0, 1, 2),
    (1, 2, 3),
    (2, 3, 4),
    (3, 4, 5),
    (0, 4, 5),
    (0, 1, 5),
    (0, 1, 2, 3),
    (1, 2, 3, 4),
    (2, 3, 4, 5),
    (0, 3, 4, 5),
    (0, 1, 4, 5),
    (0, 1, 2, 5),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)

# The ten digits on 7 x 12 pixels, side by side: the targets of the output units (section II.B, figure 3). The paper
# prints its bitmaps as a picture only; these are drawn after it.
DIGITS = """
..###.. ...##.. .#####. #######  .....#. ####### ..####. ####### .#####. .#####.
.#...#. ..###.. #.....# #.....#  ....##. #...... .#....# #.....# #.....# #.....#
#.....# .#.##.. ......# .....#.  ...#.#. #...... #...... .....#. #.....# #.....#
#.....# ...##.. ......# ....#..  ..#..#. #...... #...... .....#. .#...#. #.....#
#.....# ...##.. .....#. ..###..  .#...#. #.####. #.###.. ....#.. ..###.. #....##
#.....# ...##.. ....#.. .....#.  #....#. ##....# ##...#. ....#.. ..###.. .####.#
#.....# ...##.. ...#... ......#  ####### ......# #.....# ...#... .#...#. ......#
#.....# ...##.. ..#.... ......#  .....#. ......# #.....# ...#... #.....# ......#
#.....# ...##.. .#..... ......#  .....#. ......# #.....# ..#.... #.....# ......#
.#...#. ...##.. #...... #.....#  .....#. #.....# .#...#. ..#.... #.....# #....#.
..###.. .#####. ####### .#####.  .....#. .#####. ..###.. ..#.... .#####. .####..
....... ....... ....... .......  ....... ....... ....... ....... ....... .......
"""
CODE_LENGTH = 7 * 12


def build_codes(classes: int) -> Tensor:
    """One code of -1 and +1 for each class: `(classes, 84)`.

    Ten classes get the bitmaps of the digits, as in the paper. Other numbers have no characters to draw, so they get
    random codes from a fixed seed, the alternative that the paper names (section II.B); any two of a thousand such
    codes differ in at least 20 of the 84 places.
    """
    if classes == 10:
        rows = [line.split() for line in DIGITS.split("\n") if line]
        bits = [[row[digit][column] == "#" for row in rows for column in range(7)] for digit in range(10)]
        return torch.tensor(bits, dtype=torch.float32) * 2 - 1
    drawn = np.random.default_rng(1998).integers(0, 2, size=(classes, CODE_LENGTH))
    return torch.tensor(drawn.tolist(), dtype=torch.float32) * 2 - 1


class Subsampling(nn.Module):
    """S2 and S4: the sum over 2 x 2 pixels times one trainable coefficient, plus one bias, per map.

    The squashing that follows is a module of its own. The coefficient starts at 1/4, which makes the sum a mean.
    """

    counts_as_layer = True

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.full((maps,), 0.25))
        self.bias = nn.Parameter(torch.zeros(maps))

    def kernels(self) -> Kernels:
        """The coefficient four times over, a window for each map."""
        weight = self.coefficient.view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
        return Kernels(weight, self.bias, stride=(2, 2), groups=len(self.coefficient))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, maps, H, W)` to `(N, maps, H/2, W/2)`."""
        total = 4.0 * F.avg_pool2d(x, 2)
        return total * self.coefficient.view(-1, 1, 1) + self.bias.view(-1, 1, 1)


class ConnectedConvolution(nn.Module):
    """C3: a convolution in which each map sees only some of the maps before (table I).

    Only the connected kernels are parameters: `weight` is `(connections, 1, 5, 5)`, so that the count is the paper's.
    """

    def __init__(self, connections: tuple[tuple[int, ...], ...], channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self._stride = stride
        pairs = [(maps, source) for maps, sources in enumerate(connections) for source in sources]
        self.weight = nn.Parameter(torch.empty(len(pairs), 1, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(len(connections)))
        # Row of `weight` for each (map, source); the row after the last is the kernel of zeros of the unconnected.
        rows = [[len(pairs)] * channels for _ in connections]
        for row, (maps, source) in enumerate(pairs):
            rows[maps][source] = row
        self.register_buffer("rows", torch.tensor(rows), persistent=False)
        self.rows: Tensor
        self._fan_in = [len(sources) * kernel * kernel for sources in connections]
        self._fan_in_of_row = [self._fan_in[maps] for maps, _ in pairs]

    def reset_parameters(self, gain: float) -> None:
        """Draws the kernels with standard deviation `gain / sqrt(fan in)`, each by the fan-in of its own map."""
        scale = torch.tensor(self._fan_in_of_row, dtype=torch.float32, device=self.weight.device).rsqrt()
        nn.init.normal_(self.weight, 0.0, gain)
        with torch.no_grad():
            self.weight.mul_(scale.view(-1, 1, 1, 1))
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """`(N, 6, H, W)` to `(N, 16, (H - 4)/stride, (W - 4)/stride)`."""
        return F.conv2d(x, self.kernels().weight, self.bias, self._stride)

    def kernels(self) -> Kernels:
        """Kernels for all maps before, with zeros for those that a map does not see."""
        weight = F.pad(self.weight[:, 0], (0, 0, 0, 0, 0, 1))[self.rows]
        return Kernels(weight, self.bias, stride=(self._stride, self._stride))


class RadialBasisOutput(nn.Module):
    """Output units: minus the squared distance between F6 and the fixed code of each class (equation 7).

    The paper's unit is the distance itself, a penalty; the sign is turned so that a larger score is a likelier class,
    and softmax with cross-entropy is then the paper's maximum a posteriori criterion (equation 9, without its constant
    rubbish class). The codes are fixed, as the paper's were at first; they are a buffer.
    """

    counts_as_layer = True

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("codes", build_codes(classes))
        self.codes: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """`(N, 84)` to `(N, classes)`."""
        return -(x.unsqueeze(1) - self.codes).pow(2).sum(-1)


class WholeMapConvolution(nn.Conv2d):
    """C5: its kernel is as large as the map. In training it is computed as the linear layer that it is: faster."""

    def forward(self, x: Tensor) -> Tensor:
        """`(N, maps, 5, 5)` to `(N, units, 1, 1)`."""
        if not self.training or torch.compiler.is_exporting():
            # Other tools train and are shown the paper's layer.
            return super().forward(x)
        return F.linear(torch.flatten(x, 1), torch.flatten(self.weight, 1), self.bias)[..., None, None]


class Grid(nn.AdaptiveAvgPool2d):
    """Averages maps to the 5 x 5 positions that C5 sees. What has them already is passed on: the means of single values
    are those values, and take a thirtieth of a training step.
    """

    def __init__(self) -> None:
        super().__init__((5, 5))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, maps, H, W)` to `(N, maps, 5, 5)`."""
        return x if tuple(x.shape[-2:]) == (5, 5) else super().forward(x)


class LeNet5(Network):
    """Layers C1, S2, C3, S4, C5, F6 and the output, under the paper's names.

    Pictures below 32 pixels get a border of 2 zeros around them, as the paper's digits of 28 pixels sat in a field of
    32 (stem "small" always does so, "standard" never). S4 is averaged to the 5 x 5 positions that C5 sees, which
    changes nothing at the published size and lets any other in.

    `forward_features` pads so that the maps have exactly H/stride positions; `forward` is as published, without.

    Args:
        options: Classes, channels, size, activation, pooling, stem, dropout (none).
        published: Build the network of 1998: trainable subsampling (unless `options.pooling` names another), table I,
            scaled tanh, radial basis output. Else ReLU, max pooling, all maps connected, linear output.
    """

    def __init__(self, options: NetworkOptions, *, published: bool) -> None:
        super().__init__()
        activation = options.activation or ("lecun_tanh" if published else "relu")
        bordered = options.stem == "small" or (options.stem == "auto" and min(options.size_hw) < 32)
        check_size("LeNet-5", options, 12 if bordered else 16)
        self._pooling = options.pooling or ("trainable" if published else "max")
        stride = 2 if self._pooling == "stride" else 1
        self.c1 = nn.Conv2d(options.channels, 6, 5, stride, padding=2 if bordered else 0)
        self.c1_act = build_activation(activation)
        self.s2, self.s2_act = self._build_subsampling(6, activation)
        self.c3 = ConnectedConvolution(CONNECTIONS, 6, 5, stride) if published else nn.Conv2d(6, 16, 5, stride)
        self.c3_act = build_activation(activation)
        self.s4, self.s4_act = self._build_subsampling(16, activation)
        self.grid = Grid()
        self.c5 = WholeMapConvolution(16, 120, 5)
        self.c5_act = build_activation(activation)
        self.f6 = nn.Linear(120, CODE_LENGTH)
        self.f6_act = build_activation(activation)
        self.dropout = nn.Dropout(options.dropout or 0.0)
        self.output = RadialBasisOutput(options.classes) if published else nn.Linear(CODE_LENGTH, options.classes)
        initialise(self, activation, self.class_layers)
        if isinstance(self.c3, ConnectedConvolution):
            self.c3.reset_parameters(1.0 if activation == "lecun_tanh" else math.sqrt(2.0))

    def _build_subsampling(self, maps: int, activation: str) -> tuple[nn.Module, nn.Module]:
        if self._pooling == "trainable":
            return Subsampling(maps), build_activation(activation)
        return build_pooling(self._pooling, 2, 2), nn.Identity()

    @property
    def feature_spec(self) -> FeatureSpec:
        """The maps before each subsampling, and the last one after it."""
        if self._pooling == "stride":
            return FeatureSpec((Stage("c1", 6, 2), Stage("c3", 16, 4)))
        return FeatureSpec((Stage("c1", 6, 1), Stage("c3", 16, 2), Stage("s4", 16, 4)))

    @property
    def head(self) -> nn.Module:
        """The output layer."""
        return self.output

    def forward_features(self, x: Tensor) -> dict[str, Tensor]:
        """Maps by stage name."""
        border = 2 - int(self.c1.padding[0])
        maps = {"c1": self.c1_act(self.c1(F.pad(x, (border,) * 4)))}
        x = self.s2_act(self.s2(maps["c1"]))
        maps["c3"] = self.c3_act(self.c3(F.pad(x, (2, 2, 2, 2))))
        if self._pooling != "stride":
            maps["s4"] = self.s4_act(self.s4(maps["c3"]))
        return maps

    def embed(self, x: Tensor) -> Tensor:
        """F6: `(N, 84)`."""
        x = self.s2_act(self.s2(self.c1_act(self.c1(x))))
        x = self.s4_act(self.s4(self.c3_act(self.c3(x))))
        x = torch.flatten(self.c5_act(self.c5(self.grid(x))), 1)
        out: Tensor = self.dropout(self.f6_act(self.f6(x)))
        return out


def _build_published(options: NetworkOptions) -> Network:
    return LeNet5(options, published=True)


def _build_modern(options: NetworkOptions) -> Network:
    return LeNet5(options, published=False)


_AUTHORS = "Yann LeCun, Léon Bottou, Yoshua Bengio, Patrick Haffner"
_PAPER = "Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 86(11), 1998"

NETWORKS.add(
    "lenet5_1998",
    NetworkInfo(
        name="lenet5_1998",
        family="LeNet",
        year=1998,
        authors=_AUTHORS,
        paper=_PAPER,
        build=_build_published,
        published=(
            Published("MNIST test", 99.05, "LeCun et al. 1998, section III.B"),
            Published("MNIST test, trained on distorted digits too", 99.2, "LeCun et al. 1998, section III.B"),
        ),
        size_hw=(32, 32),
        channels=1,
        classes=10,
        note="First weights normal with deviation 1/sqrt(fan in) (LeCun et al. 1998, Efficient BackProp, section 4.6), "
        "not uniform in 2.4/fan in; scores are minus the paper's distances; the bitmaps of the digits are drawn after "
        "its figure 3, and other numbers of classes get random codes.",
    ),
)
NETWORKS.add(
    "lenet5",
    NetworkInfo(
        name="lenet5",
        family="LeNet",
        year=1998,
        authors=_AUTHORS,
        paper=_PAPER,
        build=_build_modern,
        size_hw=(32, 32),
        channels=1,
        classes=10,
        note="The modern form: ReLU, max pooling, all maps connected and a linear output. The paper's 99.05 % on MNIST "
        "is of lenet5_1998.",
    ),
)
