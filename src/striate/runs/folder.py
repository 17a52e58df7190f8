"""The folder of a run on disk.

recipe.yaml                every choice
run.json                   task, classes, network, status, headline
choices.json               what was chosen for the user, and why
environment.json           machine and packages
data.json                  what the data set held: splits, problems, notes
metrics.jsonl              one line an epoch
splits.json                names of the pictures of each split
weights/best.safetensors   the weights to use; last.safetensors: those of the last step
checkpoint.pt              state of an unfinished run
evaluation.json            what was measured, by split
scores/<split>.npz         names, scores and truth of every picture of a split
worst.json                 what is said about the worst mistakes, for tasks with places
verdict.json               underfit, overfit, balanced or too early, and why
report.html                all of it, to read
.training.lock             held by the process that trains the run; stays behind, and means nothing by itself
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from striate.errors import CheckpointError, RecipeError, RequestError, cause_of
from striate.evaluation import EpochRecord, Evaluation, Verdict
from striate.recipe import Recipe, read_recipe, write_recipe
from striate.runs.files import atomic_write, plain, read_json, storage_error, write_json
from striate.runs.naming import claim_named, claim_numbered, other_runs, slug, today
from striate.runs.structures import FORMAT_VERSION, RunFacts, SplitScores, pack_rows, unpack_rows

if TYPE_CHECKING:
    from torch import Tensor

    from striate.data import Dataset
    from striate.tasks.base import Targets

WhichWeights = Literal["best", "last"]


class RunFolder:
    """Reads and writes the files of one run. Each write is atomic; each read names the file that is at fault.

    Args:
        path: The folder; see `create` and `open`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(
        cls, parent: str | Path = "runs", name: str | None = None, *, data: str = "", net: str = ""
    ) -> RunFolder:
        """Makes a new folder.

        Args:
            parent: Folder that holds the runs.
            name: Name of the new one; date, data and network with a number where needed, if not given.
            data: Name or path of the data set, for the name.
            net: Name of the network, for the name.

        Raises:
            RequestError: The named folder exists and is not empty.
            StorageError: It cannot be made.
        """
        parent = Path(parent)
        try:
            parent.mkdir(parents=True, exist_ok=True)
            if name is not None:
                return cls(claim_named(parent / name))
            stem = "-".join(part for part in (today(), slug(Path(data).name), slug(net)) if part)
            return cls(claim_numbered(parent, stem))
        except OSError as error:
            raise storage_error(parent if name is None else parent / name, error) from error

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Opens the folder of a run.

        Raises:
            RequestError: There is no run at the path.
            CheckpointError: It is damaged, or a newer Striate wrote it.
        """
        folder = cls(path)
        if not folder.path.exists():
            raise RequestError("there is no run here.", where=path, fix=other_runs(folder.path.parent))
        if not (folder.path / "run.json").is_file():
            raise RequestError("this is not a run folder: it has no run.json.", where=path, fix=other_runs(folder.path))
        folder.read_facts()
        return folder

    def write_facts(self, facts: RunFacts) -> None:
        """Writes `run.json`."""
        write_json(self.path / "run.json", facts.as_dict())

    def read_facts(self) -> RunFacts:
        """Reads `run.json`.

        Raises:
            CheckpointError: Missing, damaged, or of a newer layout.
        """
        path = self.path / "run.json"
        tree = read_json(path, fix="Train again; weights/best.safetensors can still be given to --weights.")
        version = tree.get("format_version") if isinstance(tree, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise CheckpointError(
                f"this run was written by a newer Striate (layout {version}, this one knows {FORMAT_VERSION}).",
                where=path,
                fix="Update Striate.",
            )
        try:
            return RunFacts.from_dict(tree)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(
                f"this file is damaged or incomplete ({type(error).__name__}: {error}).",
                where=path,
                fix="Train again; weights/best.safetensors can still be given to --weights.",
            ) from error

    def write_recipe(self, recipe: Recipe) -> None:
        """Writes `recipe.yaml`, with the meaning of each field beside it."""
        draft = self.path / ".recipe.draft.yaml"
        try:
            write_recipe(recipe, draft)
            content = draft.read_bytes()
        except OSError as error:
            raise storage_error(self.path / "recipe.yaml", error) from error
        finally:
            draft.unlink(missing_ok=True)
        atomic_write(self.path / "recipe.yaml", lambda file: _write(file, content))

    def read_recipe(self) -> Recipe:
        """Reads `recipe.yaml`.

        Raises:
            CheckpointError: Missing or damaged.
        """
        path = self.path / "recipe.yaml"
        try:
            return read_recipe(path)
        except RecipeError as error:
            raise CheckpointError(
                error.what, where=path, fix="Mend the file; without it, how pictures were prepared is not known."
            ) from error

    def write_choices(self, choices: Iterable[Mapping[str, Any]]) -> None:
        """Writes `choices.json`: rows of `field`, `value`, `why`."""
        write_json(self.path / "choices.json", [dict(choice) for choice in choices])

    def read_choices(self) -> list[dict[str, Any]]:
        """Reads `choices.json`; nothing where it is missing."""
        return list(self._read_optional("choices.json", []))

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Writes `environment.json`; see `describe_environment`."""
        write_json(self.path / "environment.json", dict(environment))

    def read_environment(self) -> dict[str, Any]:
        """Reads `environment.json`; nothing where it is missing."""
        return dict(self._read_optional("environment.json", {}))

    def write_data(self, data: Dataset) -> None:
        """Writes `data.json` and `splits.json`."""
        write_json(
            self.path / "data.json",
            {
                "root": str(data.root),
                "format": data.format,
                "scans": data.scans,
                "images": data.images,
                "splits": {name: len(samples) for name, samples in data.splits.items()},
                "given": data.given,
                "channels": data.channels,
                "channel_names": data.channel_names,
                "bit_depth": data.bit_depth,
                "median_size_hw": data.median_size_hw,
                "problems": [problem.as_dict() for problem in data.problems],
                "notes": data.notes,
            },
        )
        splits = {name: [sample.name for sample in samples] for name, samples in data.splits.items()}
        write_json(self.path / "splits.json", splits)

    def read_data(self) -> dict[str, Any]:
        """Reads `data.json`; nothing where it is missing."""
        return dict(self._read_optional("data.json", {}))

    def read_splits(self) -> dict[str, list[str]]:
        """Names of the pictures of each split.

        Raises:
            CheckpointError: Missing or damaged.
        """
        fix = "Start a new run: without it, test pictures could end up among the training pictures."
        return {str(name): list(names) for name, names in read_json(self.path / "splits.json", fix=fix).items()}

    def append_epoch(self, record: EpochRecord) -> None:
        """Adds a line to `metrics.jsonl`; what a kill left of a line is cut off first."""
        path = self.path / "metrics.jsonl"
        line = json.dumps(plain(asdict(record)), allow_nan=False) + "\n"
        try:
            with path.open("ab+") as file:
                file.seek(0)
                whole = file.read()
                if whole and not whole.endswith(b"\n"):
                    file.truncate(whole.rfind(b"\n") + 1)
                file.seek(0, 2)
                file.write(line.encode())
        except OSError as error:
            raise storage_error(path, error) from error

    def write_history(self, history: Sequence[EpochRecord]) -> None:
        """Writes all lines of `metrics.jsonl` anew: a resumed run goes on from its checkpoint."""
        text = "".join(json.dumps(plain(asdict(record)), allow_nan=False) + "\n" for record in history)
        atomic_write(self.path / "metrics.jsonl", lambda file: _write(file, text.encode()))

    def read_history(self) -> list[EpochRecord]:
        """Reads `metrics.jsonl`; nothing where it is missing. A last line cut off by a kill is left out.

        Raises:
            CheckpointError: A line before the last is damaged.
        """
        path = self.path / "metrics.jsonl"
        try:
            lines = path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CheckpointError(f"this file cannot be read ({error.strerror}).", where=path) from error
        records = []
        for number, line in enumerate(lines, start=1):
            try:
                records.append(EpochRecord(**json.loads(line)))
            except (ValueError, TypeError) as error:
                if number == len(lines) and not line.endswith(b"\n"):
                    break
                raise CheckpointError(
                    f"line {number} is damaged ({error}).",
                    where=path,
                    fix="Delete that line; the weights are not touched.",
                ) from error
        return records

    def write_evaluation(self, evaluation: Evaluation) -> None:
        """Adds a split to `evaluation.json`, or replaces it."""
        found = self._read_optional("evaluation.json", {})
        write_json(self.path / "evaluation.json", {**found, evaluation.split: evaluation.as_dict()})

    def read_evaluations(self) -> dict[str, Evaluation]:
        """What was measured, by split; nothing where nothing was.

        Raises:
            CheckpointError: Damaged.
        """
        found = self._read_optional("evaluation.json", {})
        try:
            return {split: Evaluation.from_dict(tree) for split, tree in found.items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise self._damaged("evaluation.json", error) from error

    def write_verdict(self, verdict: Verdict) -> None:
        """Writes `verdict.json`."""
        write_json(self.path / "verdict.json", asdict(verdict))

    def read_verdict(self) -> Verdict | None:
        """Reads `verdict.json`; `None` where there is none yet.

        Raises:
            CheckpointError: Damaged.
        """
        tree = self._read_optional("verdict.json", None)
        try:
            return tree and Verdict(tree["state"], tuple(tree["evidence"]), tuple(tree["advice"]))
        except (KeyError, TypeError) as error:
            raise self._damaged("verdict.json", error) from error

    def forget_measurements(self) -> None:
        """Deletes what was measured with weights that are no longer those of the run."""
        for path in (self.path / "evaluation.json", self.path / "verdict.json", self.path / "worst.json"):
            path.unlink(missing_ok=True)
        for path in (self.path / "scores").glob("*.npz"):
            path.unlink()

    def write_scores(self, split: str, scores: SplitScores) -> None:
        """Writes `scores/<split>.npz`."""
        arrays = scores.as_arrays()
        atomic_write(self.scores_path(split), lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))

    def read_scores(self, split: str) -> SplitScores | None:
        """Reads `scores/<split>.npz`; `None` where there is none.

        Raises:
            CheckpointError: Damaged.
        """
        path = self.scores_path(split)
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as found:
                names = tuple(str(name) for name in found["names"])
                return SplitScores(names, unpack_rows(found, "scores"), unpack_rows(found, "targets"))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise CheckpointError(
                f"this file is damaged ({cause_of(error)}).",
                where=path,
                fix=f"Measure again: striate evaluate {self.path}.",
            ) from error

    def write_worst(self, answers: Iterable[Mapping[str, Any]]) -> None:
        """Writes `worst.json`: answers to the pictures with the worst mistakes, where answers have places."""
        write_json(self.path / "worst.json", [dict(answer) for answer in answers])

    def read_worst(self) -> list[dict[str, Any]]:
        """Reads `worst.json`; nothing where it is missing."""
        return list(self._read_optional("worst.json", []))

    def write_train_targets(self, targets: Targets) -> None:
        """Writes `train_targets.npz`."""
        arrays = pack_rows(targets, "targets")
        atomic_write(
            self.path / "train_targets.npz", lambda file: np.savez_compressed(file, allow_pickle=False, **arrays)
        )

    def read_train_targets(self) -> Targets:
        """Truth of the training split, from which the baseline of any evaluation is made.

        Raises:
            CheckpointError: Missing or damaged.
        """
        path = self.path / "train_targets.npz"
        try:
            with np.load(path, allow_pickle=False) as found:
                return unpack_rows(found, "targets")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise CheckpointError(
                f"this file is missing or damaged ({cause_of(error)}).",
                where=path,
                fix="Train again; predictions still work.",
            ) from error

    def write_weights(self, which: WhichWeights, state: Mapping[str, Tensor]) -> None:
        """Writes the weights of a network as safetensors, on the CPU and without code."""
        from safetensors.torch import save

        seen: set[int] = set()
        own: dict[str, Tensor] = {}
        for name, tensor in state.items():
            kept = tensor.detach().cpu().contiguous()
            # safetensors refuses two names for one memory.
            own[name] = kept.clone() if kept.data_ptr() in seen else kept
            seen.add(kept.data_ptr())
        content = save(own, metadata={"format": "pt"})
        atomic_write(self.weights_path(which), lambda file: _write(file, content))

    def read_weights(self, which: WhichWeights = "best") -> dict[str, Tensor]:
        """Reads weights.

        Raises:
            CheckpointError: Missing or damaged; says which other weights there are.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        path = self.weights_path(which)
        other = self.weights_path("last" if which == "best" else "best")
        fix = f"{other} may do instead." if other.is_file() else "Train again, or go on with --resume."
        try:
            return load(path.read_bytes())
        except FileNotFoundError as error:
            raise CheckpointError("these weights are missing.", where=path, fix=fix) from error
        except OSError as error:
            raise CheckpointError(f"these weights cannot be read ({error.strerror}).", where=path, fix=fix) from error
        except (SafetensorError, ValueError) as error:
            raise CheckpointError(f"these weights are damaged ({cause_of(error)}).", where=path, fix=fix) from error

    def weights_path(self, which: WhichWeights = "best") -> Path:
        """File of the best or last weights."""
        return self.path / "weights" / f"{which}.safetensors"

    def scores_path(self, split: str) -> Path:
        """File of the scores of a split."""
        return self.path / "scores" / f"{slug(split) or 'split'}.npz"

    @property
    def checkpoint_path(self) -> Path:
        """File of the state of an unfinished run."""
        return self.path / "checkpoint.pt"

    @property
    def report_path(self) -> Path:
        """File of the report."""
        return self.path / "report.html"

    def _read_optional(self, name: str, default: Any) -> Any:
        path = self.path / name
        if not path.is_file():
            return default
        return read_json(path, fix=f"Delete it, and measure again: striate evaluate {self.path}.")

    def _damaged(self, name: str, error: Exception) -> CheckpointError:
        return CheckpointError(
            f"this file is damaged or incomplete ({type(error).__name__}: {error}).",
            where=self.path / name,
            fix=f"Delete it, and measure again: striate evaluate {self.path}.",
        )


def _write(file: Any, content: bytes) -> None:
    file.write(content)
