"""Labels of volumes in a table, which names them by file, by folder, or by the id of patient, study or series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from striate.formats.labelled import Findings
from striate.formats.picture_index import PictureIndex
from striate.formats.tables.choosing import Table, understand_tables
from striate.formats.tables.label_columns import Columns
from striate.formats.tables.label_table import row_labels, understand_labels
from striate.formats.tables.rows import table_files
from striate.formats.volumes.files import name_of_volume
from striate.formats.volumes.found import FoundVolume, fold_id
from striate.images.volumes.dicom_series import patient_of
from striate.structures import Count, Problem


class VolumeIndex(PictureIndex):
    """Finds volumes by what a table calls them; the id of a patient may mean several."""

    def __init__(self, root: Path, volumes: Sequence[FoundVolume]) -> None:
        super().__init__(root, [volume.name for volume in volumes])
        self._volumes = volumes

    @cached_property
    def _by_id(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for volume in self._volumes:
            stem = name_of_volume(volume.name)
            # The address of a series may be one of its files: the folder is what people know it by.
            names = {stem, PurePosixPath(stem).name, PurePosixPath(volume.name).parent.name, volume.patient}
            for one in {*map(fold_id, names), *volume.ids}:
                found.setdefault(one, []).append(volume.name)
        return found

    def find(self, name: str, near: str = "", split: str = "") -> list[str]:
        """Names of the volumes that a cell means."""
        if not name.strip():
            return []
        by_id = self._by_id.get(fold_id(name)) or self._by_id.get(patient_of(name, ""))
        return by_id or super().find(name, near, split)


def labels_by_table(root: Path, volumes: Sequence[FoundVolume], found: Findings) -> dict[str, tuple[str, str]] | None:
    """Class and split of each volume that a table names; `None` where no table does.

    Args:
        root: The data set.
        volumes: Its volumes.
        found: Gets notes and problems. Cells are never cited: they may be the ids of patients.
    """
    index = VolumeIndex(root, volumes)
    tables, _ = understand_tables(table_files(root), index, understand_labels)
    tables = [table for table in tables if table.columns.label is not None]
    if not tables:
        return None
    labels: dict[str, tuple[str, str]] = {}
    contradicted: set[str] = set()
    for table in tables:
        _take_rows(table, index, labels, contradicted, found)
    for name in sorted(contradicted):
        labels.pop(name, None)
        detail = "rows of the table name it with different labels."
        found.problems.append(
            Problem("conflicting-labels", name, detail, "Left out. Keep the row that is right.", "dropped")
        )
    unlisted = [volume.name for volume in volumes if volume.name not in labels and volume.name not in contradicted]
    if unlisted:
        detail = f"{Count(len(unlisted)):volume is|volumes are} named in no row of the table ({unlisted[0]})."
        found.problems.append(Problem("unlabelled", unlisted[0], detail, "Left out. Add the rows.", "dropped"))
    return labels or None


def _take_rows(
    table: Table[Columns],
    index: VolumeIndex,
    labels: dict[str, tuple[str, str]],
    contradicted: set[str],
    found: Findings,
) -> None:
    missing = Counter[str]()
    for cells in table.body():
        words = row_labels(table.columns, cells)
        matches = index.find(cells[table.columns.path], table.near)
        if not matches or not words or len(words) != 1:
            missing["unlabelled" if matches else "missing-file"] += 1
            continue
        for name in matches:
            label = words[0], table.split_of(cells)
            if labels.setdefault(name, label)[0] != label[0]:
                contradicted.add(name)
    column = table.column(table.columns.path)
    labelled = table.column(table.columns.label or 0)
    found.notes.append(
        f"{table.name}: volumes are named in the column {column}, labels in {labelled}{table.sources()}."
    )
    for kind, what in (("missing-file", "name no volume"), ("unlabelled", "have no single label")):
        if missing[kind]:
            detail = f"{missing[kind]} rows of {table.name} {what}."
            found.problems.append(Problem(kind, table.name, detail, "These rows are left out.", "dropped"))
