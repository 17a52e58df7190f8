"""Steps of training made by Keras: the same recipe, pictures, schedule and run folder."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from striate.data.batches import Batch
from striate.errors import ExportError, MissingPartError, RequestError
from striate.recipe import InputRecipe, Recipe
from striate.tasks.class_scores import AUXILIARY_WEIGHT
from striate.tools.base import TOOLS
from striate.tools.graph import Graph, named_tensors, rebuilt
from striate.tools.keras import KerasTool
from striate.tools.process import BACKENDS, KerasProcess
from striate.tools.translation import Program, translate
from striate.tools.translation.program import Weight
from striate.training.engines import ENGINES
from striate.training.loop import Engine, Trainee, Work, check_finite, set_training_mode, shown_batch
from striate.training.optimizer import ADAM_BETA2, ADAM_EPSILON, AdamW, Sgd, average_decay


class KerasEngine(Engine):
    """Keras in a process of its own makes the steps; PyTorch prepares the batches, measures and keeps the run.

    The network is translated as it is while it trains, and weights, what the optimizer keeps, and moving averages come
    back whenever an epoch ends or a checkpoint is written. So a run can be interrupted, resumed, evaluated and looked
    into like any other.

    A step of classification is all Keras'. The losses of boxes, masks and objects choose by what the network answers
    which places are to learn what; they stay where they are: Keras answers, PyTorch gives the loss and how it changes
    with each answer, and Keras takes that back through its layers and descends.

    Args:
        backend: What Keras computes with; the first that is installed where not given.
    """

    def __init__(self, backend: str = "") -> None:
        self._backend = backend
        self._process: KerasProcess | None = None
        self._program: Program | None = None
        self._behind = False
        self._template: Any = None

    def fill(self, recipe: Recipe) -> Recipe:
        """Trains all of the network, in fp32."""
        self._installed_backend()
        wanted = {
            "machine.precision": "fp32",
            "machine.compile": False,
            "machine.device": "cpu",
            "network.frozen": False,
            "network.head_first": False,
        }
        values: dict[str, Any] = {}
        for field, value in wanted.items():
            section, name = field.split(".")
            asked = getattr(getattr(recipe, section), name)
            if asked not in (None, value):
                raise RequestError(
                    f"{field} is {asked!r}, and Keras trains with {value!r} here.",
                    where="--tool",
                    fix=f"Leave {field} out, or train with --tool torch.",
                )
            values[field] = value
        return recipe.with_values(values)

    def begin(self, trainee: Trainee, work: Work) -> None:
        """Translates the network and hands it over, with all that a resumed run has gathered."""
        if work.world.size > 1:
            raise RequestError(
                f"Keras trains in one process here, and these are {work.world.size}.",
                where="--tool",
                fix="Train with --tool torch; `striate export --to keras` takes the network over afterwards.",
            )
        graph = training_graph(trainee.network, work)
        if not work.task.one_class:
            with torch.no_grad():
                self._template = copy.deepcopy(graph).network(graph.example())
        try:
            self._program = program = translate(graph)
        except ExportError as error:
            raise RequestError(
                f"Keras cannot train this network: {error.what}",
                where="--tool",
                fix="Train with --tool torch, or with the task's own head.",
            ) from error
        _refuse_fixed(trainee.network, program)
        self._process = KerasProcess(self._installed_backend(), work.setting.threads)
        with tempfile.TemporaryDirectory() as folder:
            program.write(Path(folder))
            self._process.ask("train", folder=folder, **_order(trainee, work, program))
        if trainee.plan.step:
            self._restore(trainee)

    def step(self, trainee: Trainee, work: Work, batch: Batch) -> float:
        """One step, on the pixels that PyTorch would be shown."""
        pixels, truth = shown_batch(work, batch)
        group = trainee.optimizer.groups[0]
        seen = pixels.movedim(1, -1).numpy()
        how = {
            "factor": group.rate / group.highest,
            "decay": 0.0 if trainee.average is None else average_decay(trainee.average.decay, trainee.plan.step),
        }
        if work.task.one_class:
            answer, _ = self._ask("step", [seen, shares_of(truth, work).numpy()], **how)
            loss = float(answer["loss"])
            check_finite(loss, work, batch)
        else:
            loss, flows = self._loss_of(seen, truth, work)
            check_finite(loss, work, batch)
            self._ask("descend", flows, **how)
        trainee.stopping = work.asked_to_stop()
        self._behind = True
        return loss

    def _loss_of(self, pixels: npt.NDArray[Any], truth: Any, work: Work) -> tuple[float, list[npt.NDArray[Any]]]:
        """The loss of what Keras answers, and its gradient at each answer."""
        answer, arrays = self._ask("answer", [pixels])
        tensors = {name: torch.from_numpy(one) for name, one in zip(answer["names"], arrays, strict=True)}
        # Maps lie channels last in Keras.
        put = {name: one.movedim(-1, 1) if one.ndim == 4 else one for name, one in tensors.items()}
        put = {name: one.requires_grad_() for name, one in put.items()}
        whole = dict(named_tensors(self._template)) | put
        loss = work.task.loss(rebuilt(self._template, iter(whole.values())), truth, work.loss)
        gradients = torch.autograd.grad(loss, list(put.values()), materialize_grads=True)
        return float(loss.detach()), [(one.movedim(1, -1) if one.ndim == 4 else one).numpy() for one in gradients]

    @torch.no_grad()
    def sync(self, trainee: Trainee) -> None:
        """Fetches weights, what the optimizer keeps, and averages."""
        if not self._behind:
            return
        answer, arrays = self._ask("state")
        found = dict(zip(answer["names"], arrays, strict=True))
        state = trainee.network.state_dict(keep_vars=True)
        averages = {} if trainee.average is None else trainee.average.average.state_dict()
        for name, weight in self._carried():
            shape = tuple(state[weight.key].shape)
            back = partial(_as_tensor, weight, shape)
            state[weight.key].copy_(back(found[f"weight {name}"]))
            if averages:
                averages[weight.key].copy_(back(found[f"average {name}"]))
            if f"first {name}" in found:
                kept = trainee.optimizer.state_of(state[weight.key])
                kept[0].copy_(back(found[f"first {name}"]))
                if isinstance(trainee.optimizer, AdamW):
                    kept[1].copy_(back(found[f"second {name}"]))
                    kept[2].fill_(answer["steps"])
        self._behind = False

    def _installed_backend(self) -> str:
        """What Keras computes with; asked by every session, since a resumed run fills no recipe.

        Raises:
            MissingPartError: It is not installed.
        """
        tool = _keras()
        tool.require()
        backend = self._backend or tool.backend
        if backend not in tool.backends:
            raise MissingPartError(
                f"Keras on {backend} needs {BACKENDS[backend]}, which is not installed.",
                where="--tool",
                fix=f'pip install "striate[{"keras" if backend == "tensorflow" else backend}]"',
            )
        return backend

    def _restore(self, trainee: Trainee) -> None:
        state = trainee.network.state_dict(keep_vars=True)
        averages = {} if trainee.average is None else trainee.average.average.state_dict()
        sent: dict[str, npt.NDArray[Any]] = {}
        for name, weight in self._carried():
            own = state[weight.key]
            if averages:
                sent[f"average {name}"] = weight.to_keras(averages[weight.key].numpy())
            if isinstance(own, nn.Parameter) and own.requires_grad:
                for kind, kept in zip(("first", "second"), trainee.optimizer.state_of(own), strict=False):
                    sent[f"{kind} {name}"] = weight.to_keras(kept.numpy())
        if isinstance(trainee.optimizer, Sgd) and not trainee.optimizer.momentum:
            sent = {name: array for name, array in sent.items() if name.startswith("average")}
        self._ask("restore", list(sent.values()), names=list(sent), steps=trainee.plan.step)

    def _carried(self) -> Iterator[tuple[str, Weight]]:
        assert self._program is not None
        for layer, weight in self._program.carried():
            yield f"{layer.name}/{weight.name}", weight

    def _ask(self, order: str, arrays: Any = (), **entries: Any) -> tuple[dict[str, Any], list[npt.NDArray[Any]]]:
        assert self._process is not None
        return self._process.ask(order, arrays, **entries)


def shares_of(truth: Tensor, work: Work) -> Tensor:
    """What the logarithms of the class scores are multiplied by to give the loss: `(N, K)`.

    Smoothing, weights of classes and the mean over the batch are in it, as `Classification.cross_entropy` has them.

    Args:
        truth: `(N,)` class indices, or `(N, K)` shares that sum to 1.
        work: Says smoothing and weights.
    """
    soft = truth if truth.is_floating_point() else work.task.soften(truth, work.classes)
    weights = torch.ones(work.classes) if work.loss.class_weights is None else work.loss.class_weights
    smoothing = work.loss.label_smoothing
    smooth = soft * (1 - smoothing) + smoothing / work.classes
    return smooth * weights / (soft * weights).sum()


def training_graph(network: nn.Module, work: Work) -> Graph:
    """A copy of the network as it is while it trains, for pixels that are normalised already."""
    channels = len(work.recipe.input.mean or ())
    plain = InputRecipe(mean=[0.0] * channels, std=[1.0] * channels, scale=1.0, size_hw=work.recipe.input.size_hw)
    graph = Graph(copy.deepcopy(network).cpu(), plain, "float32").train()
    set_training_mode(graph.network, keep_statistics=bool(work.recipe.network.keep_statistics))
    return graph


def _refuse_fixed(network: nn.Module, program: Program) -> None:
    """Makes sure that Keras trains every weight that PyTorch would."""
    carried = {weight.key for _, weight in program.carried()}
    fixed = [name for name, one in network.named_parameters() if one.requires_grad and name not in carried]
    if fixed:
        raise RequestError(
            f"Keras has no layer that could train {fixed[0]}"
            + (f" and {len(fixed) - 1} more weights" * (len(fixed) > 1)),
            where="--tool",
            fix="Train with --tool torch; `striate export --to keras` takes the network over as it is.",
        )


def _order(trainee: Trainee, work: Work, program: Program) -> dict[str, Any]:
    """How Keras is to train, in plain data."""
    optimizer = trainee.optimizer
    names = {weight.key: f"{layer.name}/{weight.name}" for layer, weight in program.carried()}
    keys = {id(one): key for key, one in trainee.network.named_parameters()}
    groups = {
        names[keys[id(one)]]: [group.highest, group.weight_decay] for group in optimizer.groups for one in group.weights
    }
    outputs = [name for name, _ in program.outputs]
    return {
        "rules": {
            "kind": "sgd" if isinstance(optimizer, Sgd) else "adamw",
            "momentum": optimizer.momentum if isinstance(optimizer, Sgd) else 0.0,
            "beta1": optimizer.beta1 if isinstance(optimizer, AdamW) else 0.0,
            "beta2": ADAM_BETA2,
            "epsilon": ADAM_EPSILON,
            "clip": work.recipe.optimisation.clip,
        },
        "groups": groups,
        "outputs": outputs,
        "weights_of_losses": [1.0, *[AUXILIARY_WEIGHT] * (len(outputs) - 1)],
        "seed": work.recipe.optimisation.seed,
        "average": trainee.average is not None,
    }


def _as_tensor(weight: Weight, shape: tuple[int, ...], array: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(weight.from_keras(np.asarray(array), shape))


def _keras() -> KerasTool:
    tool = TOOLS.get("keras")
    assert isinstance(tool, KerasTool)
    return tool


ENGINES.add("keras", KerasEngine)
ENGINES.add("tensorflow", partial(KerasEngine, "tensorflow"))
ENGINES.add("jax", partial(KerasEngine, "jax"))

__all__ = ["KerasEngine", "shares_of", "training_graph"]
