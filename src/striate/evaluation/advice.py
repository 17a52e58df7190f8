"""What to do next, the largest expected gain first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from striate.evaluation.structures import Estimate, State
from striate.evaluation.words import in_words, plural

if TYPE_CHECKING:
    from striate.evaluation.verdict import Fit

FEW_PICTURES_OF_A_CLASS = 200
"""Below this many training pictures a class, more pictures usually gain more than any setting."""

SMALL_NETWORK = 1_000_000
"""Parameters below which a larger network is the first thing to try when training itself falls short."""


FEW_EPOCHS = 10
"""Up to so many, training longer is worth a try even where the curves seem flat."""


@dataclass(frozen=True, slots=True)
class FitContext:
    """What is known about a run besides its figures.

    Attributes:
        images: Training pictures.
        validation_images: Validation pictures; 0 where not known.
        classes: Classes.
        parameters: Trainable and frozen parameters of the network; 0 where not known.
        net: Name of the network.
        epochs: Epochs done.
        epochs_planned: Epochs planned.
        finished: Whether the schedule was gone through to its end.
        stopped_early: Whether it was ended because validation no longer improved.
        augmented: Whether training pictures were changed at random.
        hardest_change: Recipe field of what changed them most; empty where not known.
        pretrained: Whether it started from pretrained weights.
        other_net: A network to take for pretrained weights, where this one can have none; empty where it can.
        frozen: Whether only the last layer was trained.
        spatial: Whether the answer says where something is.
        weight_decay: Weight decay used.
        minutes: Time limit, where one was set.
        seconds: Time it took so far, in seconds.
        seed_values: Validation headline of runs that differ in the seed alone.
        test: Headline on the test split, where there is one.
        trap: A sentence about a metric that looks good whatever is answered; empty where there is none.
    """

    images: int = 0
    validation_images: int = 0
    classes: int = 0
    parameters: int = 0
    net: str = ""
    epochs: int = 0
    epochs_planned: int = 0
    finished: bool = True
    stopped_early: bool = False
    augmented: bool = True
    hardest_change: str = ""
    pretrained: bool = False
    other_net: str = ""
    frozen: bool = False
    spatial: bool = False
    weight_decay: float | None = None
    minutes: float | None = None
    seconds: float = 0.0
    seed_values: tuple[float, ...] = ()
    test: Estimate | None = None
    trap: str = ""


def advise(state: State, fit: Fit, context: FitContext) -> Iterator[str]:
    """Sentences for a verdict; those that do not apply to this run are left out."""
    makers = {
        "too early": _when_early,
        "underfit": _when_underfit,
        "overfit": _when_overfit,
        "balanced": _when_balanced,
    }
    yield from makers[state](fit, context)
    if context.test is not None and context.test.high < fit.validation.low:
        yield (
            f"The test split gives {in_words(context.test)}, clearly less than validation: its pictures are of another "
            "kind. Add pictures of that kind to the training split; no setting makes up for them."
        )


def _when_early(fit: Fit, context: FitContext) -> Iterator[str]:
    if fit.evaluations < 3 or not (context.finished or context.stopped_early):
        yield f"Train on: {_longer(context)}."
    if fit.surely <= 0 and fit.gap >= 0.1:
        yield (
            "Put more pictures into the validation split (--set data.validation_share=0.3), or collect more: "
            "with so few, the gap could be luck."
        )


def _when_underfit(fit: Fit, context: FitContext) -> Iterator[str]:
    small = 0 < context.parameters < SMALL_NETWORK
    rising = fit.train_trend.rises
    hopeless = not fit.beats_baseline and fit.skill < 0.1
    if hopeless:
        yield (
            "Nothing was learned. Look at the labels first ('striate look' shows each class's pictures); then try a "
            "learning rate ten times lower or higher (--set optimisation.learning_rate=...)."
        )
    if rising:
        yield f"Train longer, the curves have not levelled off: {_longer(context)}."
    elif 0 < context.epochs <= FEW_EPOCHS:
        yield f"Train longer, {plural(context.epochs, 'epoch')} may have been too few: {_longer(context)}."
    if context.frozen:
        yield "Train all layers instead of the last one only: --set network.frozen=false."
    if not context.pretrained:
        yield f"Start from pretrained weights where the pictures are photographs: {_pretrained(context)}."
    named = f" than {context.net}" if context.net else ""
    if small or not rising:
        yield f"Take a larger network{named}: --net resnet18 or resnet34; 'striate nets' lists parameters and accuracy."
    why = "things are small or borders matter" if context.spatial else "the classes differ in details"
    yield f"Give the network larger pictures, if {why}: --set input.size_hw='[H, W]'."
    if not rising and not hopeless:
        yield "Try a higher learning rate: --set optimisation.learning_rate=... (three times the one in recipe.yaml)."
    if context.hardest_change:
        first = f"--set {context.hardest_change}=0"
        yield f"Weaken the augmentation, which may make the task harder than it is: {first} first."
    if not rising:
        yield "If all that changes nothing, the classes may not be told apart by these pictures: check the labels."


def _when_overfit(fit: Fit, context: FitContext) -> Iterator[str]:
    per_class = context.images / max(context.classes, 1)
    if context.images > 0 and per_class < FEW_PICTURES_OF_A_CLASS:
        yield (
            f"Collect more training pictures: {plural(context.images, 'picture')} is {per_class:.0f} a class, "
            f"and doubling them usually gains more than any setting."
        )
    if not context.augmented:
        yield (
            "Change training pictures at random, as far as the class stays the same: --set augmentation.shift=0.1 "
            "--set augmentation.rotate_deg=10, and --set augmentation.mirror=0.5 where left and right do not matter."
        )
    if not context.pretrained:
        yield f"Start from pretrained weights, which need fewer pictures: {_pretrained(context)}."
    elif not context.frozen and not context.spatial and per_class < 50:
        yield "Train the last layer only, so that there is less to learn by heart: --set network.frozen=true."
    if context.augmented and not context.spatial:
        yield "Mix pictures and their labels: --set augmentation.mixup=0.2, or --set augmentation.cutmix=1."
    decay = context.weight_decay or 0.0
    yield f"Raise the weight decay: --set optimisation.weight_decay={max(3 * decay, 0.0005):.2g} (it was {decay:g})."
    if context.parameters > 50 * max(context.images, 1) and not context.frozen:
        yield "Take a smaller network, or dropout before the last layer: --set network.dropout=0.3."
    if fit.turn is not None:
        yield (
            f"Stop earlier: validation loss was lowest in epoch {fit.turn.epoch} "
            f"(--epochs {max(fit.turn.epoch, 3)}, or --set optimisation.patience=3)."
        )
    if context.images > 0 and per_class >= FEW_PICTURES_OF_A_CLASS:
        yield "Collect more training pictures, of the kind that is answered wrongly (the report shows the worst)."


def _when_balanced(fit: Fit, context: FitContext) -> Iterator[str]:
    if fit.both_rise:
        yield f"Both curves still rise a little; {_longer(context)} may gain some more."
    if 1 - fit.validation.value < 0.005:
        yield "Nothing is left to gain on these validation pictures; try the network on harder ones."
        return
    yield "Look at the worst mistakes in the report: wrong labels and unclear pictures are found there first."
    if context.images and context.images / max(context.classes, 1) < FEW_PICTURES_OF_A_CLASS:
        yield "More training pictures are the surest gain from here."
    else:
        yield "A larger network trained longer may gain a little: --net, --epochs; 'striate compare' tries several."


def _pretrained(context: FitContext) -> str:
    if not context.other_net:
        return "--weights auto"
    return f"--net {context.other_net} --weights auto (there are none for {context.net or 'this network'} here)"


def _longer(context: FitContext) -> str:
    if not (context.finished or context.stopped_early):
        return "go on with --resume"
    if context.minutes:
        # A run that took longer than it was allowed did the least there is to do: twice that is what helps.
        took = math.ceil(context.seconds / 60) if context.seconds > 60 * context.minutes else context.minutes
        return f"--minutes {2 * took:g}"
    return f"--epochs {max(2 * max(context.epochs, context.epochs_planned), 5)}"
