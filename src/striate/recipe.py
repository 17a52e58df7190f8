"""The one typed configuration: every choice of a run, with its default and its meaning.

`None` means "chosen for you": before training, `striate.training.defaults` fills every such field from the data, the
machine and the time allowed, and the filled recipe is written to the run folder. A recipe read from a run therefore
repeats that run.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from striate.errors import RecipeError

Channels = typing.Annotated[int, Field(ge=1)] | typing.Annotated[str, Field(min_length=1)]
Share = typing.Annotated[float, Field(ge=0.0, le=1.0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True, validate_default=True, allow_inf_nan=False)


class DataRecipe(_Section):
    """Which pictures, and how they are divided."""

    task: str | None = Field(None, description="Task; read off the annotation where not given.")
    format: str | None = Field(None, description="Format of the folder; recognised where not given.")
    validation_share: float = Field(
        0.15, gt=0, le=0.5, description="Share of pictures put aside to choose by, where the folder has no such split."
    )
    test_share: float = Field(
        0.15,
        ge=0,
        le=0.5,
        description="Share of pictures put aside for the final figure, where the folder has none.",
    )
    channels: Channels | None = Field(
        None,
        description="Channels the network sees: all, gray, hsv, lab, or a list of names, numbers and ranges (r,g or "
        "0-3); a bare number is a count. The commonest of the data, without alpha.",
    )
    plane: Literal["axial", "coronal", "sagittal"] | None = Field(
        None, description="Plane in which volumes are cut into slices; the one with the finest pixels."
    )
    neighbours: int | None = Field(
        None,
        ge=0,
        le=8,
        description="Slices of a volume on either side that the network sees as further channels (2.5-D).",
    )
    cache: Literal["memory", "disk", "none"] | None = Field(
        None,
        description="Where decoded pixels are kept: memory, a memory-mapped file, or nowhere (decoded every time).",
    )


class NetworkRecipe(_Section):
    """The network and where its weights come from."""

    name: str | None = Field(None, description="A name from `striate nets`, or timm/NAME.")
    weights: str | None = Field(
        None, description="auto, none, imagenet, embedded, or a file of weights (safetensors or a torch state dict)."
    )
    activation: str | None = Field(None, description="Activation function; the paper's where not given.")
    pooling: Literal["max", "average", "stride"] | None = Field(None, description="Pooling; the paper's.")
    stem: Literal["auto", "standard", "small"] = Field(
        "auto", description="First layers: standard (stride 4), small (1), auto: 1 up to 40 pixels, 2 up to 80, else 4."
    )
    dropout: float | None = Field(None, ge=0, lt=1, description="Dropout before the last layer; the paper's.")
    head: str | None = Field(
        None, description="Head on the network's maps, for tasks that say where something is; see docs/networks.md."
    )
    object_sides: tuple[float, ...] | None = Field(
        None,
        description="Sides of small, middling and large objects, in pixels of the network's input, for heads that look "
        "for objects of certain sizes (their anchors); those of the training objects.",
    )
    head_first: bool | None = Field(
        None, description="Fit the last layer on fixed features before all layers learn (pretrained weights only)."
    )
    keep_statistics: bool | None = Field(
        None, description="Leave the means and variances of pretrained batch normalisation as they are."
    )
    frozen: bool | None = Field(None, description="Train the last layer only, on features computed once.")


class InputRecipe(_Section):
    """From a picture of any size to the network's input."""

    size_hw: tuple[int, int] | None = Field(None, description="Height and width of the network's input, in pixels.")
    fit: Literal["squash", "crop", "pad", "tiles"] | None = Field(
        None,
        description="How other shapes become this one: squash both sides, crop the middle, pad with zeros, or cut into "
        "overlapping tiles.",
    )
    window: str | None = Field(
        None,
        description="Range of a scan's values that becomes 0..1: none, file, percentile, z-score, the name of a window "
        "in Hounsfield units (brain, bone, lung, liver, mediastinum, soft-tissue), or LOW..HIGH.",
    )
    tile_scale: float | None = Field(
        None,
        gt=0,
        description="Network pixels for one picture pixel in tiles; unusually large pictures are cut into tiles, too.",
    )
    tile_overlap: float | None = Field(
        None, ge=0, le=0.75, description="Share of a tile's side that its neighbour shows too."
    )
    mean: tuple[float, ...] | None = Field(
        None,
        description="Subtracted from each channel (pixels scaled to 0..1): the weights', or the data's.",
    )
    std: tuple[float, ...] | None = Field(None, description="Divides each channel after that.")
    scale: float | None = Field(
        None, gt=0, description="Divides stored values so that they lie in 0..1: 255 for 8-bit; for others by the data."
    )


class AugmentationRecipe(_Section):
    """Random changes of training pictures, drawn anew for every batch."""

    mirror: Share | None = Field(None, description="Chance of a left-right mirror image.")
    flip: Share | None = Field(None, description="Chance of an upside-down picture.")
    quarter_turns: bool | None = Field(None, description="Turn by 0, 90, 180 or 270 degrees.")
    rotate_deg: float | None = Field(None, ge=0, le=180, description="Largest rotation, degrees, either way.")
    shift: float | None = Field(None, ge=0, le=0.5, description="Largest shift, as a share of the side.")
    zoom: float | None = Field(None, ge=0, lt=1, description="Largest zoom in or out, as a share.")
    crop_area: float | None = Field(
        None, gt=0, le=1, description="Smallest share of the area that a random resized crop keeps; 1 is no crop."
    )
    brightness: float | None = Field(None, ge=0, le=1, description="Largest change of brightness.")
    contrast: float | None = Field(None, ge=0, le=1, description="Largest change of contrast.")
    saturation: float | None = Field(None, ge=0, le=1, description="Largest change of saturation (three channels).")
    erase: Share | None = Field(None, description="Chance that a random rectangle is blanked.")
    mixup: float | None = Field(None, ge=0, description="Alpha of mixup (Zhang et al. 2018); 0 is off.")
    cutmix: float | None = Field(None, ge=0, description="Alpha of CutMix (Yun et al. 2019); 0 is off.")


class OptimisationRecipe(_Section):
    """How the weights are found."""

    minutes: float | None = Field(None, gt=0, description="Time allowed for the whole command, in minutes.")
    epochs: int | None = Field(None, ge=1, description="Passes over the training pictures, or over a part of them.")
    epochs_per_pass: int | None = Field(
        None, ge=1, description="Epochs in which every picture comes once; more than 1 where a pass takes long."
    )
    batch_size: int | None = Field(None, ge=1, description="Pictures in one step, over all processes.")
    optimizer: Literal["sgd", "adamw"] | None = Field(None, description="SGD with Nesterov momentum, or AdamW.")
    learning_rate: float | None = Field(None, gt=0, description="Highest learning rate of the schedule.")
    backbone_rate: float | None = Field(
        None, ge=0, le=1, description="Share of the learning rate that pretrained layers get."
    )
    sum_rate: float | None = Field(
        None,
        gt=0,
        description="AdamW: most that learning rate times inputs of a linear layer may be; wider ones learn slower.",
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of SGD; first beta of AdamW.")
    weight_decay: float | None = Field(None, ge=0, description="Weight decay; never on biases and norms.")
    schedule: Literal["one-cycle", "cosine", "constant"] | None = Field(
        None, description="Learning rate over the run: up and down again, down only, or unchanged."
    )
    warmup: Share | None = Field(None, description="Share of the run in which the learning rate rises.")
    label_smoothing: float | None = Field(None, ge=0, lt=1, description="Label smoothing.")
    class_balance: bool | None = Field(None, description="Weight the loss so that rare classes count as much.")
    clip: float | None = Field(None, ge=0, description="Largest norm of the gradient; 0 is no limit.")
    ema: float | None = Field(None, ge=0, lt=1, description="Decay of the moving average of weights; 0 is off.")
    patience: int | None = Field(
        None, ge=0, description="Evaluations without a better validation figure before training stops; 0 is never."
    )
    evaluate_every: int | None = Field(None, ge=1, description="Epochs between two evaluations.")
    seed: int = Field(0, ge=0, description="Fixes the splits, the first weights, the order and the augmentation.")


class MachineRecipe(_Section):
    """Where and how the sums are done. `None` fields are measured in the first seconds."""

    tool: Literal["torch", "keras", "tensorflow", "jax"] = Field(
        "torch", description="Who makes the steps: torch, or keras, on tensorflow or jax."
    )
    device: str | None = Field(None, description="cpu, cuda, cuda:1, mps.")
    precision: Literal["fp32", "bf16", "fp16"] | None = Field(None, description="Precision of convolutions.")
    channels_last: bool | None = Field(None, description="Keep pictures as (N, H, W, C) in memory.")
    compile: bool | None = Field(None, description="Compile the training step.")
    threads: int | None = Field(None, ge=1, description="CPU threads of one process.")
    checkpoint_s: float = Field(
        30.0,
        ge=0,
        description="Seconds between two checkpoints within an epoch, its evaluation counted in; after epochs they "
        "take 2 % of the time at most.",
    )
    tensorboard: bool = Field(False, description="Write a TensorBoard log into the run folder.")


class Recipe(_Section):
    """Every choice of a run."""

    version: int = Field(1, description="Version of this layout.")
    data: DataRecipe = Field(default_factory=DataRecipe, description="Pictures and splits.")
    network: NetworkRecipe = Field(default_factory=NetworkRecipe, description="Network and weights.")
    input: InputRecipe = Field(default_factory=InputRecipe, description="Size and scale of the input.")
    augmentation: AugmentationRecipe = Field(default_factory=AugmentationRecipe, description="Random changes.")
    optimisation: OptimisationRecipe = Field(default_factory=OptimisationRecipe, description="Finding the weights.")
    machine: MachineRecipe = Field(default_factory=MachineRecipe, description="Where the sums are done.")

    def with_values(self, values: dict[str, Any], *, as_typed: bool = False) -> Recipe:
        """A copy with some fields set, by dotted name (`optimisation.epochs`) or by the last part where unique.

        Args:
            values: Values by field. A text is read as the recipe file would read it.
            as_typed: Take a text as it is: `3` stays a text, and is no number.

        Raises:
            RecipeError: No such field, or the value does not hold.
        """
        tree = self.model_dump()
        kinds = {name: kind for name, kind, _, _ in recipe_fields()}
        for key, value in values.items():
            section, field = find_field(key)
            tree[section][field] = _parse_text(value, "text" if as_typed else kinds[f"{section}.{field}"])
        return parse_recipe(tree, where="recipe")


def recipe_fields() -> Iterator[tuple[str, str, Any, str]]:
    """Every field as `(dotted name, type in words, default, meaning)`."""
    for section, info in Recipe.model_fields.items():
        kind = info.annotation
        if not (isinstance(kind, type) and issubclass(kind, _Section)):
            continue
        for field, inner in kind.model_fields.items():
            yield f"{section}.{field}", _type_words(inner.annotation), inner.default, inner.description or ""


def find_field(key: str, where: str | Path = "recipe") -> tuple[str, str]:
    """Section and field of a dotted or bare field name.

    Raises:
        RecipeError: No such field (the nearest are offered), or a bare name that two sections have.
    """
    import difflib

    names = [name for name, *_ in recipe_fields()]
    found = [name for name in names if name == key or name.split(".")[1] == key]
    if len(found) == 1:
        section, field = found[0].split(".")
        return section, field
    if found:
        raise RecipeError(f"{key!r} is in several sections.", where=where, fix=f"Write one of {', '.join(found)}.")
    bare = {name.split(".")[1]: name for name in names}
    near = [bare[hit] for hit in difflib.get_close_matches(key.split(".")[-1], list(bare), n=3)]
    if "." in key:
        near = difflib.get_close_matches(key, names, n=3) or near
    hint = f"Nearest: {', '.join(near)}." if near else "docs/recipe.md lists all fields."
    raise RecipeError(f"there is no field {key!r}.", where=where, fix=hint)


def read_recipe(path: Path) -> Recipe:
    """Reads a recipe file (YAML).

    Raises:
        RecipeError: Missing, not YAML, an unknown field or a value that does not hold.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(
            f"the recipe cannot be read ({error.strerror}).", where=path, fix="Check the path."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"this is not YAML: {error}.", where=path, fix="Mend the line named.") from error
    return parse_recipe(tree or {}, where=path)


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Writes a recipe as YAML with the meaning of every field beside it."""
    lines = [
        "# A Striate recipe. Change a line and run: striate train DATA --recipe THIS_FILE",
        f"version: {recipe.version}",
    ]
    meanings = {name: meaning for name, _, _, meaning in recipe_fields()}
    for section in Recipe.model_fields:
        if section == "version":
            continue
        lines.append(f"{section}:")
        for field, value in getattr(recipe, section).model_dump(mode="json").items():
            text = yaml.safe_dump(value, default_flow_style=True).strip().removesuffix("\n...").strip()
            lines.append(f"  {field}: {text}  # {meanings[f'{section}.{field}']}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def parse_recipe(tree: Any, where: str | Path) -> Recipe:
    """Builds a recipe from plain data.

    Raises:
        RecipeError: Naming the field, what was expected and what was found.
    """
    if not isinstance(tree, dict):
        raise RecipeError(f"expected fields, found {type(tree).__name__}.", where=where, fix="See docs/recipe.md.")
    if isinstance(tree.get("version"), int) and tree["version"] > 1:
        raise RecipeError(
            f"version {tree['version']} is newer than this Striate knows (1).", where=where, fix="Update Striate."
        )
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        # Behind section and field stand positions in a list, or what pydantic calls the kinds of a union.
        name = ".".join(str(part) for place, part in enumerate(first["loc"]) if place < 2 or isinstance(part, int))
        if first["type"] == "extra_forbidden":
            find_field(name, where)
        wanted = first["msg"].replace("Input should be", "it has to be")
        raise RecipeError(
            f"{name}: {wanted}; found {first.get('input')!r}.", where=where, fix="See docs/recipe.md."
        ) from error


def _parse_text(value: Any, kind: str) -> Any:
    """A value typed on a command line, as YAML would read it. What is to be text stays as it was typed."""
    if not isinstance(value, str):
        return value
    if kind == "text":
        return None if value in ("null", "~", "") else value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        # The field's own check says what was expected.
        return value


def _type_words(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _type_words(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        parts = [_type_words(part) for part in typing.get_args(annotation) if part is not type(None)]
        return " or ".join(parts)
    if origin is Literal:
        return ", ".join(str(value) for value in typing.get_args(annotation))
    if origin is tuple:
        return "list of numbers"
    names = {"int": "whole number", "float": "number", "bool": "true or false", "str": "text"}
    return names.get(getattr(annotation, "__name__", ""), str(annotation))
