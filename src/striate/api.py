"""The verbs of the command line for Python programs, with the same defaults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.recipe import Recipe, read_recipe
from striate.runs.run import Run as FinishedRun

if TYPE_CHECKING:
    from striate.claims import Measured
    from striate.data import Dataset
    from striate.data.deidentify import Deidentified
    from striate.data.look import Look
    from striate.inside import Inside
    from striate.runs.model import Model
    from striate.structures import Picture
    from striate.tools import Export
    from striate.training import Comparison
    from striate.training.progress import Progress


class Run(FinishedRun):
    """A run of training, with the verbs that look at it: `predict`, `evaluate`, `inside`, `claims`, `export`.

    Example:
        >>> run = striate.Run.open("runs/2026-11-23-flowers-resnet18")
        >>> run.predict("rose.jpg")[0].label
        'rose'
        >>> run.inside("rose.jpg", layer="layer1.0.conv1").neuron.formula()
        '0.31*0.02 + 0.3*(-0.11) + ... (574 more) + 0 = 0.4127'
    """

    def inside(
        self,
        picture: str | Path | Picture,
        *,
        layer: str | None = None,
        unit: int | None = None,
        at_xy: tuple[int, int] | None = None,
        class_name: str | None = None,
        page: str | Path | None = None,
    ) -> Inside:
        """Opens the network up for one picture, down to one neuron's sum, and writes a page; see `look_inside`."""
        from striate.inside import look_inside

        return look_inside(self, picture, layer=layer, unit=unit, at_xy=at_xy, class_name=class_name, page=page)

    def claims(
        self,
        data: Dataset | str | Path | None = None,
        *,
        only: str | Sequence[str] = (),
        thorough: bool = False,
        seed: int = 0,
        page: str | Path | None = None,
    ) -> list[Measured]:
        """Measures what people say about CNNs on this network, and writes a page; see `measure_claims`."""
        from striate.claims import QUICK, THOROUGH
        from striate.claims.page import measure_and_write

        return measure_and_write(self, data, page, only=only, effort=THOROUGH if thorough else QUICK, seed=seed)[0]

    def export(self, to: str, folder: str | Path | None = None, *, precision: str = "fp32") -> Export:
        """Writes the network for another tool and holds its answers against PyTorch's; see `striate.tools.export`."""
        from striate.tools import export

        return export(self, to, folder, precision=precision)


def open(path: str | Path, *, task: str | None = None, format: str | None = None, seed: int = 0) -> Dataset:
    """Opens a folder or file of pictures: recognises it, checks every picture, keeps or makes the splits.

    Args:
        path: The folder or file.
        task: Name of the task; read off the annotation where not given.
        format: Name of the format; recognised where not given.
        seed: Fixes the splits that are made.

    Raises:
        DataError: It cannot be understood.
        UnknownNameError: No such task or format.
    """
    from striate.data import open_dataset

    return open_dataset(path, task=task, format=format, seed=seed)


def look(
    path: str | Path,
    *,
    task: str | None = None,
    format: str | None = None,
    seed: int = 0,
    page: str | Path | None = None,
) -> Look:
    """Says what is in a folder or file of pictures, as training would see it, and what is wrong with it.

    Args:
        path: The folder or file.
        task: Name of the task; read off the annotation where not given.
        format: Name of the format; recognised where not given.
        seed: Fixes the splits that are made.
        page: File for a page with pictures; none is written where not given.

    Returns:
        What was seen; `print(look.as_text())` shows it on one screen.

    Raises:
        DataError: It cannot be understood, or nothing can be learned from it.
        UnknownNameError: No such task or format.
    """
    from striate.data.look import look as look_at
    from striate.data.look import write_look_page

    seen = look_at(path, task=task, format=format, seed=seed)
    if page is not None:
        write_look_page(seen, page)
    return seen


def train(
    data: Dataset | str | Path | None = None,
    net: str | None = None,
    *,
    recipe: Recipe | str | Path | None = None,
    run: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    **fields: Any,
) -> Run:
    """Trains a network, judges it, and writes the run folder with its report.

    Example:
        >>> run = striate.train("photos/", net="resnet18", minutes=5, label_smoothing=0.0)
        >>> run.verdict.state
        'balanced'

    Args:
        data: A data set, or the path of one; not needed to resume.
        net: Name of the network; chosen from the data where not given.
        recipe: A recipe, or the path of one, to start from.
        run: Folder of the run; a new one under `runs/` where not given.
        resume: Go on with the run in that folder, with its own recipe.
        progress: Told what goes on; plain lines on standard error where not given.
        **fields: Recipe fields by name (`minutes=5`), or by full name with two underscores for the point
            (`network__weights="none"`) where several sections have one of that name.

    Returns:
        The finished run.

    Raises:
        RequestError: The data or the recipe does not hold.
        WorkError: Training failed; the run folder keeps what was done.
        KeyboardInterrupt: Interrupted; the state was saved.
    """
    from striate.training import train as train_run
    from striate.training.progress import Lines

    wanted = build_recipe(recipe, net, fields)
    trained = train_run(data, wanted, run=run, resume=resume, progress=progress if progress is not None else Lines())
    return Run(trained.folder)


def deidentify(source: str | Path, out: str | Path, *, rename: bool = False, copy_others: bool = False) -> Deidentified:
    """Copies a file or folder without what tells who somebody is; pixels stay equal to the last bit.

    DICOM goes by the standard's basic confidentiality profile; JPEG, PNG, TIFF, NIfTI and NRRD lose text, EXIF and
    extensions. Text that is part of a picture stays: `burnt_in` of the answer says where to look for it.

    Args:
        source: The file or folder; it is not changed.
        out: A new or empty folder.
        rename: Number the files, and the folders that are named after the patient of a file in them.
        copy_others: Copy files of other kinds too, unchanged.

    Raises:
        RequestError: The folder is not empty, or lies inside the source.
        DataError: Nothing could be copied.
        MissingPartError: There is DICOM, and the extra `scans` is not installed.
    """
    from striate.data.deidentify import deidentify as copy_without_names

    return copy_without_names(source, out, rename=rename, copy_others=copy_others)


def compare(
    data: Dataset | str | Path,
    nets: Sequence[str] | None = None,
    *,
    also: Sequence[str | Path] = (),
    recipe: Recipe | str | Path | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    **fields: Any,
) -> Comparison:
    """Trains several networks on the same pictures, each with the same recipe and time.

    Args:
        data: A data set, or the path of one.
        nets: Names of the networks to train; where not given one of each classic family, or none where `also` names
            some.
        also: Runs and networks from elsewhere that are measured on the same pictures, by their folders or files.
        recipe: A recipe, or the path of one, to start from; its `optimisation.minutes` is the time of each network.
        folder: Gets one run folder for each network, and the page; a new one under `runs/` where not given.
        progress: Told what goes on; plain lines on standard error where not given.
        **fields: Recipe fields, as in `train`.

    Returns:
        The networks, the best first.

    Raises:
        RequestError: The data, the recipe, a network's name or the folder does not hold.
        WorkError: Training failed.
    """
    from striate.runs import RunFolder
    from striate.tools.exported import open_model
    from striate.training import compare as compare_networks
    from striate.training.comparison import DEFAULT_NETS
    from striate.training.progress import Lines

    wanted = build_recipe(recipe, None, fields)
    if folder is None:
        folder = RunFolder.create(data=str(getattr(data, "root", data)), net="comparison").path
    progress = progress if progress is not None else Lines()
    finished: dict[str, Model] = {}
    for path in also:
        name = _name_of(path)
        finished[name if name not in finished else str(path)] = open_model(path)
    if nets is None:
        nets = () if also else DEFAULT_NETS
    return compare_networks(data, nets, wanted, finished=finished, folder=folder, progress=progress)


def _name_of(model: str | Path) -> str:
    """What to call a finished network: its folder; of an export in a run's folder both."""
    path = Path(model).resolve()
    folder = path if path.is_dir() else path.parent
    return f"{folder.parents[1].name}/{folder.name}" if folder.parent.name == "exports" else folder.name


def build_recipe(recipe: Recipe | str | Path | None, net: str | None, fields: dict[str, Any]) -> Recipe:
    """A recipe with some fields set, as `train` takes them.

    Raises:
        RecipeError: No such field, or a value that does not hold.
    """
    base = recipe if isinstance(recipe, Recipe) else Recipe() if recipe is None else read_recipe(Path(recipe))
    values = {name.replace("__", "."): value for name, value in fields.items()}
    return base.with_values({**({} if net is None else {"network.name": net}), **values})
