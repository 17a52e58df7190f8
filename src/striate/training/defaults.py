"""Fills what the recipe leaves open, from the data, the machine and the time allowed, and says why."""

from __future__ import annotations

import os
import shutil
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from striate.data import Dataset
from striate.data.scan_cache import cache_folder
from striate.images import ChannelChoice, choose_channels, natural_channel_names
from striate.networks import resolve_network
from striate.networks.layers import SMALL_SIDE
from striate.networks.weights import has_published_weights
from striate.recipe import Recipe

EMBEDDED = "timm/tf_efficientnet_lite0"
"""The network whose ImageNet weights come with the installation."""

USUAL_SMALL, LIGHT_SMALL = "resnet20", "lenet5"
"""Networks for small pictures: the usual one, and one that takes a twentieth of the time a step."""

LEAST_HALVED = 48
"""Pictures are not halved to fewer pixels a side than this."""

DEFAULT_MINUTES = 10.0

FEW_PICTURES = 1000
"""Fewer training pictures than this are learned in small batches and small steps."""

SUM_RATE = 3.0
"""Measured with VGG-11-bn, whose neurons add up 25,088 inputs: 18 makes the loss rise from 2.5 to 11.8, 3 learns."""

LEAST_SIDE = 28
"""Smaller pictures are enlarged: every family can take 28 x 28 pixels."""

SHOWN = (
    "network.name",
    "network.weights",
    "network.head",
    "input.size_hw",
    "optimisation.batch_size",
    "optimisation.optimizer",
    "optimisation.learning_rate",
    "optimisation.epochs",
    "optimisation.class_balance",
    "machine.precision",
)
"""Fields whose choice is printed before training; the rest is in the run folder."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One recipe field that was filled for the user.

    Attributes:
        field: Dotted name.
        value: What it is now.
        why: One phrase.
    """

    field: str
    value: Any
    why: str

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"field": self.field, "value": self.value, "why": self.why}


class Chooser:
    """Collects choices into a recipe; a field that the user set is never touched."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe.model_copy(deep=True)
        self.asked_epochs = recipe.optimisation.epochs
        self.choices: list[Choice] = []

    def fill(self, field: str, value: Any, why: str) -> None:
        """Sets a field that is still open."""
        section, name = field.split(".")
        part = getattr(self.recipe, section)
        if getattr(part, name) is not None:
            return
        setattr(part, name, value)
        self.choices.append(Choice(field, getattr(part, name), why))

    def summary(self) -> list[str]:
        """The choices that matter most, a line each; all of them are in the run folder."""
        lines = ["chosen for you (every choice is in recipe.yaml and choices.json of the run):"]
        for choice in self.choices:
            if choice.field in SHOWN and choice.value is not False:
                value = " x ".join(map(str, choice.value)) if isinstance(choice.value, tuple) else choice.value
                opening = f"  {choice.field.split('.')[1]:<13} {value!s:<22} "
                lines += textwrap.wrap(
                    choice.why, 80, initial_indent=opening, subsequent_indent=" " * len(opening), break_long_words=False
                )
        changes = [
            choice.field.split(".")[1]
            for choice in self.choices
            if choice.field.startswith("augmentation.")
            and choice.value not in (0, False)
            and not (choice.field.endswith("crop_area") and choice.value == 1)
        ]
        if changes:
            lines.append(f"  {'augmentation':<13} {', '.join(changes)}")
        return lines if len(lines) > 1 else []


def choose_input(chooser: Chooser, data: Dataset, device: torch.device, *, light: bool = False) -> None:
    """Network, weights, channels and input size: what must be known before pixels are read.

    Args:
        chooser: Gets the choices.
        data: The data set.
        device: Where the network will be trained.
        light: Whether the usual choice turned out too slow for the time allowed: of networks for small pictures a
            lighter one is taken, larger pictures are halved.
    """
    recipe = chooser.recipe
    side = min(data.median_size_hw)
    small = side <= SMALL_SIDE
    # A rule that does not fit the pictures is refused before anything is read.
    channels = choice_of(recipe, data).count
    chooser.fill("data.channels", channels, f"the pictures have {_words(data.channel_names)}")
    if small:
        if light:
            chooser.fill(
                "network.name", LIGHT_SMALL, f"{USUAL_SMALL} would take too few steps here in the time allowed"
            )
        chooser.fill("network.name", USUAL_SMALL, f"pictures of {_size(data.median_size_hw)} need few layers of stride")
        chooser.fill("network.weights", "none", "ImageNet features are made for larger pictures")
    else:
        chooser.fill("network.name", EMBEDDED, "its ImageNet weights come with Striate and it is fast on a CPU")
    info = resolve_network(str(recipe.network.name))
    if not has_published_weights(info):
        chooser.fill("network.weights", "none", f"nobody published ImageNet weights for {info.name}")
    if not small:
        chooser.fill("network.weights", "auto", "features learned on a million photographs need fewer pictures")
    chooser.fill("network.weights", "auto", "pretrained weights where they are at hand")
    chooser.fill("network.frozen", False, "all layers learn")
    size = _input_size(data, pretrained=info.name == EMBEDDED, fast=device.type == "cuda")
    if light and not small and min(size) >= 2 * LEAST_HALVED:
        half = (size[0] // 2, size[1] // 2)
        chooser.fill("input.size_hw", half, f"at {_size(size)} too few steps would fit into the time allowed")
    chooser.fill("input.size_hw", size, f"the median picture is {_size(data.median_size_hw)}")
    aspect = data.median_size_hw[1] / data.median_size_hw[0]
    mixed = len(data.sizes_hw) > 1 and 0.8 < aspect < 1.25
    chooser.fill(
        "input.fit", "squash", "shapes are alike" if mixed or len(data.sizes_hw) == 1 else "nothing is cut off"
    )


def are_photographs(data: Dataset) -> bool:
    """Whether the pictures look like photographs: colours of 8 bits, and larger than digits or thumbnails."""
    return data.channels >= 3 and data.bit_depth == 8 and min(data.median_size_hw) > SMALL_SIDE


def choose_augmentation(chooser: Chooser, data: Dataset) -> None:
    """Random changes that leave the meaning of a picture as it is."""
    photograph = are_photographs(data)
    seen = choice_of(chooser.recipe, data)
    if seen.names != natural_channel_names(3):
        why = f"the network sees {', '.join(seen.names[:4])}"
        chooser.fill("augmentation.saturation", 0.0, why)
        if seen.converts:
            # Light that varies is no longer a factor on every value.
            chooser.fill("augmentation.brightness", 0.0, why)
            chooser.fill("augmentation.contrast", 0.0, why)
    if chooser.recipe.network.frozen:
        why = "features are computed once, from pictures as they are"
        for name in type(chooser.recipe.augmentation).model_fields:
            chooser.fill(
                f"augmentation.{name}", False if name == "quarter_turns" else 1.0 if name == "crop_area" else 0.0, why
            )
        return
    if photograph:
        chooser.fill("augmentation.mirror", 0.5, "photographs mean the same mirrored")
        chooser.fill("augmentation.crop_area", 0.5, "objects appear at several sizes and places")
        chooser.fill("augmentation.brightness", 0.1, "light varies")
        chooser.fill("augmentation.contrast", 0.15, "light varies")
        chooser.fill("augmentation.saturation", 0.15, "light varies")
        chooser.fill("augmentation.rotate_deg", 10.0, "cameras are held at an angle")
        chooser.fill("augmentation.erase", 0.2, "no single part of the object should decide")
    else:
        chooser.fill("augmentation.mirror", 0.0, "left and right may matter (digits, scans)")
        chooser.fill("augmentation.rotate_deg", 10.0, "small turns keep the meaning")
        chooser.fill("augmentation.shift", 0.08, "small shifts keep the meaning")
        chooser.fill("augmentation.zoom", 0.1, "small changes of scale keep the meaning")
    for name in ("mirror", "flip", "rotate_deg", "shift", "zoom", "brightness", "contrast", "saturation", "erase"):
        chooser.fill(f"augmentation.{name}", 0.0, "not needed")
    chooser.fill("augmentation.crop_area", 1.0, "objects fill the picture")
    chooser.fill("augmentation.quarter_turns", False, "up and down matter in most pictures")
    chooser.fill("augmentation.mixup", 0.0, "of use in longer runs only")
    chooser.fill("augmentation.cutmix", 0.0, "of use in longer runs only")


def choose_optimisation(
    chooser: Chooser, network: nn.Module, *, pretrained: bool, pictures: int, imbalance: float
) -> None:
    """Optimizer, rates and regularisation: what depends on the network and how it starts.

    Args:
        chooser: Gets the choices.
        network: The built network.
        pretrained: Whether its layers come with weights.
        pictures: Number of training pictures.
        imbalance: Pictures of the commonest class for one of the rarest.
    """
    normed = any(isinstance(module, nn.modules.batchnorm._BatchNorm | nn.LayerNorm) for module in network.modules())
    small_input = max(chooser.recipe.input.size_hw or (224, 224)) <= SMALL_SIDE
    batch = 32 if pictures < FEW_PICTURES else 64 if not small_input or pictures < 5000 else 128
    chooser.fill("optimisation.batch_size", batch, f"{pictures} training pictures")
    size = chooser.recipe.optimisation.batch_size or batch
    frozen = bool(chooser.recipe.network.frozen)
    # With few pictures pretrained layers are left nearer to where they were.
    few = pretrained and not frozen and pictures < FEW_PICTURES
    chooser.fill("optimisation.optimizer", "adamw", "robust to the scale of the loss")
    if chooser.recipe.optimisation.optimizer == "sgd":
        rate = (0.1 if normed else 0.02) * size / 128
        decay = 5e-4
    elif pretrained:
        rate, decay = (2e-4 if few else 1e-3) * (size / 32) ** 0.5, 0.05
    else:
        share = resolve_network(str(chooser.recipe.network.name)).rate_share
        rate, decay = share * (2e-3 if normed else 7e-4) * (size / 64) ** 0.5, 0.05
    chooser.fill("optimisation.learning_rate", float(f"{rate:.3g}"), "the usual one for this optimizer and batch size")
    chooser.fill("optimisation.sum_rate", SUM_RATE, "neurons that add up thousands of inputs need smaller steps")
    chooser.fill("optimisation.weight_decay", decay, "the usual one for this optimizer")
    chooser.fill(
        "optimisation.backbone_rate",
        (0.5 if few else 0.3) if pretrained and not frozen else 1.0,
        "pretrained layers need small changes" if pretrained else "all layers start fresh",
    )
    chooser.fill("network.head_first", pretrained and not frozen, "spares pretrained layers the errors of a fresh head")
    chooser.fill(
        "network.keep_statistics",
        pretrained,
        "those of a small batch are rough" if pretrained else "fresh layers have none to keep",
    )
    chooser.fill("optimisation.schedule", "one-cycle", "reaches a given accuracy in the fewest steps")
    chooser.fill("optimisation.warmup", 0.15, "the first steps of a fresh layer are rough")
    chooser.fill("optimisation.label_smoothing", 0.05, "keeps the scores honest and the network less sure of itself")
    chooser.fill(
        "optimisation.class_balance",
        imbalance > 20,
        f"the commonest class has {imbalance:.1f} times the pictures of the rarest",
    )
    chooser.fill("optimisation.clip", 0.0 if normed else 1.0, "normalised layers" if normed else "no normalisation")
    chooser.fill(
        "optimisation.ema", 0.998 if pictures > 300 else 0.0, "an average of weights is steadier than the last"
    )
    chooser.fill("optimisation.patience", 0, "the schedule is made to end well; stopping early would cut it off")


def most_epochs(pictures: int, *, pretrained: bool, frozen: bool) -> int:
    """Epochs beyond which more training has nothing left to gain, as a rule of thumb."""
    if frozen:
        return 100
    views = 30_000 if pretrained else 1_500_000
    return int(np.clip(views / max(pictures, 1), 12 if pretrained else 30, 60 if pretrained else 200))


def class_imbalance(counts: npt.NDArray[np.int64]) -> float:
    """Pictures of the commonest class for one of the rarest that occurs."""
    occurring = counts[counts > 0]
    return float(occurring.max() / occurring.min()) if len(occurring) else 1.0


def choice_of(recipe: Recipe, data: Dataset) -> ChannelChoice:
    """Which channels of the pictures the network sees. Alpha carries no class; it is dropped unless asked for.

    Raises:
        RequestError: The recipe's rule does not fit the pictures.
    """
    return choose_channels(recipe.data.channels, data.channel_names)


def _input_size(data: Dataset, *, pretrained: bool, fast: bool) -> tuple[int, int]:
    height, width = data.median_size_hw
    if max(height, width) <= SMALL_SIDE:
        # Whole multiples: a digit of 8 x 8 pixels gets larger without getting blurred unevenly.
        factor = -(-LEAST_SIDE // min(height, width))
        return height * factor, width * factor
    side = (height * width) ** 0.5
    if pretrained:
        # Above the 224 of pretraining, because objects cover fewer pixels at test than in random crops (Touvron et al.
        # 2019, "Fixing the train-test resolution discrepancy").
        size = int(np.clip(round(side / 32) * 32, 96, 256))
        # Pretrained features expect objects at ImageNet's scale: small pictures are enlarged a little.
        return (128, 128) if size < 128 else (size, size)
    size = int(np.clip(round(side / 32) * 32, 32, 224 if fast else 128))
    return size, size


def _size(size_hw: tuple[int, int]) -> str:
    return f"{size_hw[0]} x {size_hw[1]} pixels"


def _words(names: tuple[str, ...]) -> str:
    return f"{len(names)} channel{'s' if len(names) != 1 else ''} ({', '.join(names[:4])})"


def choose_cache(chooser: Chooser, data: Dataset) -> None:
    """Keeps pixels in memory where they fit, else in a memory-mapped file, else nowhere."""
    height, width = chooser.recipe.input.size_hw or data.median_size_hw
    value_bytes = {8: 1, 16: 2}.get(data.bit_depth, 4)
    # Room for random crops, and for pictures kept a second time as evaluation sees them.
    needed = int(data.images * choice_of(chooser.recipe, data).count * height * width * value_bytes * 1.5)
    free = available_memory()
    if needed < free * 0.4:
        chooser.fill(
            "data.cache", "memory", f"the pixels take {needed / 2**20:,.0f} MiB of {free / 2**30:,.1f} GiB free"
        )
        return
    folder = cache_folder()
    existing = next(parent for parent in [folder, *folder.parents] if parent.exists())
    disk = shutil.disk_usage(existing).free
    if needed < disk * 0.5:
        chooser.fill("data.cache", "disk", f"the pixels take {needed / 2**30:,.1f} GiB, too much for memory")
    else:
        chooser.fill("data.cache", "none", f"the pixels take {needed / 2**30:,.1f} GiB, too much for memory and disk")


def available_memory() -> int:
    """Bytes of memory that can be used without swapping; 4 GiB where the system does not say."""
    try:
        return int(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return 4 * 2**30
