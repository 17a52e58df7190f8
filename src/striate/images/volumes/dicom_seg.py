"""Labels in DICOM SEG objects (PS3.3 A.51), on the grid of the series that they belong to."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.errors import MissingPartError, PictureError, RequestError
from striate.images.dicom_files import (
    LABEL_CLASSES,
    decoding_dicom,
    load_pydicom,
    open_header,
    open_whole,
)
from striate.images.dicom_pixels import decode_frames
from striate.images.dicom_values import Form, functional_item, numbers
from striate.images.kinds import check_size, damaged
from striate.images.volumes.base import store_labels
from striate.images.volumes.dicom_series import Series
from striate.structures import VOID

BACKGROUND = "background"
_SAME_PLACE = 0.05
_LONGEST_LABEL = 64
_MAY_BE_EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName"),
)
"""Elements that the standard wants to be there, and many files leave out where they would be empty."""
_TISSUE = ("85756007", "SCT", "Tissue")


def is_segmentation(path: Path) -> bool:
    """Whether a DICOM file holds labels of another picture, with their pixels.

    Raises:
        PictureError: It cannot be read.
    """
    dataset, pixels = open_header(path, ("SOPClassUID",))
    return pixels and str(dataset.get("SOPClassUID")) in LABEL_CLASSES


def read_segmentation(path: Path, series: Series) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """Reads the labels of a SEG onto the grid of the series that they belong to.

    A frame goes to the slice at its position; where it has none, to the one whose object it refers to. Slices without
    a frame are background. Of a fractional segment what reaches half of its highest value counts.

    Args:
        path: The SEG.
        series: The series; its slices give the order.

    Returns:
        Labels `(S, H, W)`, 0 where no segment is, and class names: `background`, then the label of each segment in
        the order of the file.

    Raises:
        PictureError: It is no SEG, cannot be read, lies on another grid, or has segments that overlap (a voxel has one
            class, and which of both would be meant is not known).
    """
    if not is_segmentation(path):
        raise PictureError(
            "not a DICOM SEG.", where=path, fix="Give a segmentation object with its frames.", kind="not-a-picture"
        )
    dataset = open_whole(path)
    with decoding_dicom(path):
        form = Form.of(path, dataset)
        check_size(path, (form.rows, form.columns))
        if (form.rows, form.columns) != series.size_hw:
            raise _other_grid(path, f"its frames have {form.rows} x {form.columns} pixels")
        segments = [int(item.SegmentNumber) for item in dataset.SegmentSequence]
        names = _names_of(dataset)
        classes = {number: index for index, number in enumerate([number for number in segments if number], 1)}
        if len(classes) >= VOID:
            raise damaged(path, f"{len(classes)} segments, more than the {VOID - 1} that are read")
        labels = np.zeros((series.slices, *series.size_hw), np.uint8)
        placing = _Placing(path, series)
        overlapping = 0
        for frame, pixels in enumerate(decode_frames(path, dataset, form, range(form.frames))):
            place = placing.slice_of(dataset, frame)
            found = _classes_of(path, dataset, frame, pixels, classes)
            overlapping += int(((labels[place] > 0) & (found > 0) & (labels[place] != found)).sum())
            labels[place] = np.where(found > 0, found, labels[place])
    if overlapping:
        raise PictureError(
            f"its segments overlap in {overlapping} voxels, and a voxel has one class here.",
            where=path,
            fix="Save each segment in a file of its own, or as one label map.",
            kind="overlapping-segments",
        )
    return labels, (BACKGROUND, *names)


def segment_names(path: Path) -> tuple[str, ...]:
    """Names of the segments of a SEG, in its order.

    Raises:
        PictureError: It cannot be read.
    """
    dataset, _ = open_header(path, ("SegmentSequence",))
    with decoding_dicom(path):
        return _names_of(dataset)


def _names_of(dataset: Any) -> tuple[str, ...]:
    return tuple(
        str(item.get("SegmentLabel") or f"segment {int(item.SegmentNumber)}")
        for item in dataset.get("SegmentSequence", [])
        # A label map may describe what lies outside of all segments.
        if int(item.SegmentNumber) != 0
    )


class _Placing:
    """Finds the slice of a series that a frame of a SEG lies on."""

    def __init__(self, path: Path, series: Series) -> None:
        self.path = path
        self.series = series
        self._to_voxels = np.linalg.inv(series.geometry.affine)
        self._objects: dict[tuple[str, int], int] | None = None

    def slice_of(self, dataset: Any, frame: int) -> int:
        item = functional_item(dataset, frame, "PlanePositionSequence")
        position = numbers(item.get("ImagePositionPatient"), 3) if item is not None else None
        if position is None or not self.series.geometry.known:
            return self._by_reference(dataset, frame)
        self._check_directions(dataset, frame)
        place = self._to_voxels @ np.array([*position, 1.0])
        index = int(np.rint(place[0]))
        if np.abs(place[:3] - (index, 0, 0)).max() <= _SAME_PLACE and 0 <= index < self.series.slices:
            return index
        # Behind a gap no slice lies where even distances would have it; what the frame was made from is known still.
        return self._by_reference(dataset, frame, f"its frame {frame + 1} begins at no slice of the series")

    def _check_directions(self, dataset: Any, frame: int) -> None:
        plane = functional_item(dataset, frame, "PlaneOrientationSequence")
        measures = functional_item(dataset, frame, "PixelMeasuresSequence")
        directions = numbers(plane.get("ImageOrientationPatient"), 6) if plane is not None else None
        spacing = numbers(measures.get("PixelSpacing"), 2) if measures is not None else None
        if directions is None or spacing is None:
            return
        affine = self.series.geometry.affine
        rows, columns = np.array(directions[3:]) * spacing[0], np.array(directions[:3]) * spacing[1]
        size = np.array(self.series.size_hw)
        drift = np.linalg.norm(np.stack([affine[:3, 1] - rows, affine[:3, 2] - columns]), axis=1) * size
        if drift.max() > 0.5 * min(spacing):
            raise _other_grid(self.path, "its rows or columns run another way, or are spaced otherwise")

    def _by_reference(self, dataset: Any, frame: int, why: str = "") -> int:
        item = functional_item(dataset, frame, "DerivationImageSequence")
        sources = item.get("SourceImageSequence") if item is not None else None
        if sources:
            if self._objects is None:
                self._objects = _objects_of(self.series)
            number = sources[0].get("ReferencedFrameNumber")
            key = str(sources[0].get("ReferencedSOPInstanceUID")), int(number if number is not None else 1)
            if key in self._objects:
                return self._objects[key]
        why = why or f"its frame {frame + 1} has no position and refers to no slice of the series"
        raise _other_grid(self.path, why)


def _objects_of(series: Series) -> dict[tuple[str, int], int]:
    """Slice of each object and frame number of a series."""
    uids = {path: str(open_header(path, ("SOPInstanceUID",))[0].get("SOPInstanceUID")) for path in series.files}
    times = len(series.channel_names)
    return {(uids[path], frame + 1): place // times for place, (path, frame) in enumerate(series.frames)}


def _classes_of(
    path: Path, dataset: Any, frame: int, pixels: npt.NDArray[Any], classes: dict[int, int]
) -> npt.NDArray[np.uint8]:
    """Class of each pixel of a frame."""
    item = functional_item(dataset, frame, "SegmentIdentificationSequence")
    kind = str(dataset.get("SegmentationType"))
    if kind == "LABELMAP":
        found = np.zeros(pixels.shape, np.uint8)
        for number, index in classes.items():
            found[pixels == number] = index
        return found
    number = int(item.ReferencedSegmentNumber) if item is not None else 0
    if number not in classes:
        raise damaged(path, f"its frame {frame + 1} belongs to a segment that it does not describe")
    most = int(dataset.get("MaximumFractionalValue") or 1) if kind == "FRACTIONAL" else 1
    # Written without a division, which would take 0 for half of 1.
    return np.where((pixels > 0) & (pixels.astype(np.int64) * 2 >= most), classes[number], 0).astype(np.uint8)


def _other_grid(path: Path, detail: str) -> PictureError:
    return PictureError(
        f"it does not lie on the grid of the series: {detail}.",
        where=path,
        fix="Give the series that it was drawn on, or resample it onto this one first.",
        kind="mask-on-another-grid",
    )


def write_segmentation(labels: npt.NDArray[np.uint8], series: Series, classes: tuple[str, ...], out: Path) -> Path:
    """Writes labels as a DICOM SEG that refers to the slices of a series.

    By the standard a SEG belongs to the patient and study of what it was drawn on: name, PatientID, birth date, sex and
    the study's tags are copied from the source as they stand there. Whoever hands such a file on hands these on, too,
    unless the series was de-identified before. Segments are described by the class names and a code that says no more
    than "tissue"; the algorithm is named Striate, with its version.

    One segment is written with all slices, so that plain ITK reads it as a volume on the source grid. Several are
    written with the slices that they are in: ITK itself shows those one after the other; readers of SEG (highdicom,
    dcmqi, 3D Slicer) put each where it lies.

    Args:
        labels: `(S, H, W)`, in the order of the series; 0 and 255 (void) are in no segment.
        series: The series that was looked at.
        classes: Class names; the first is background.
        out: The file.

    Raises:
        RequestError: The series does not say where its slices lie, or its files lack what a SEG must refer to.
        PictureError: Its files cannot be read.
        StorageError: It cannot be written.
        MissingPartError: highdicom is not installed.
    """
    highdicom = _highdicom()
    if labels.shape != (series.slices, *series.size_hw):
        raise RequestError(
            f"labels of {' x '.join(map(str, labels.shape))} voxels do not fit the "
            f"{series.slices} x {series.size_hw[0]} x {series.size_hw[1]} voxels of the series.",
            where=out,
            fix="Give a label for each voxel of the series.",
        )
    times = len(series.channel_names)
    sources = [_open_source(path) for path in dict.fromkeys(path for path, _ in series.frames[::times])]
    if not series.geometry.known or any(not source.get("FrameOfReferenceUID") for source in sources):
        raise RequestError(
            "the series does not say where its slices lie, so no DICOM SEG can refer to them.",
            where=series.path,
            fix="Use --as masks.",
        )
    names = classes[1:]
    inside = np.where(labels < len(classes), labels, 0).astype(np.uint8)
    if len(sources) == 1 and series.slices > 1:
        # highdicom takes frames of one file in the file's own order.
        inside = inside[np.argsort([frame for _, frame in series.frames[::times]], kind="stable")]
    made = _segmentation(highdicom, series, sources, inside, names)
    return store_labels(out, made.save_as)


def _segmentation(
    highdicom: Any, series: Series, sources: list[Any], inside: npt.NDArray[np.uint8], names: tuple[str, ...]
) -> Any:
    """The object of labels `(S, H, W)` in the order of the sources, a segment for each name."""
    try:
        return highdicom.seg.Segmentation(
            source_images=sources,
            pixel_array=inside,
            segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[_describe(highdicom, index, name) for index, name in enumerate(names, 1)],
            series_instance_uid=highdicom.UID(),
            series_number=1000,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer="Striate",
            manufacturer_model_name="Striate",
            software_versions=version("striate"),
            device_serial_number="0",
            # With all of its slices, one segment is a volume to readers that know nothing of segments (ITK).
            omit_empty_frames=len(names) > 1 and bool(inside.any()),
        )
    # What highdicom says may quote the file.
    except (ValueError, TypeError, AttributeError, LookupError):
        raise RequestError(
            "the files of the series lack something that a DICOM SEG must take from them.",
            where=series.path,
            fix="Use --as masks.",
        ) from None


def _open_source(path: Path) -> Any:
    dataset = open_whole(path)
    with decoding_dicom(path):
        # highdicom refuses the empty character set of many files; all text is known once it is decoded.
        dataset.decode()
        dataset.SpecificCharacterSet = "ISO_IR 192"
        for keyword in _MAY_BE_EMPTY:
            if keyword not in dataset:
                setattr(dataset, keyword, None)
    return dataset


def _highdicom() -> Any:
    load_pydicom()
    try:
        import highdicom
    except ImportError as error:
        raise MissingPartError(
            "the package highdicom writes DICOM SEG, and it is not installed.",
            where="highdicom",
            fix='Type: pip install "striate[scans]"',
        ) from error
    return highdicom


def _describe(highdicom: Any, number: int, name: str) -> Any:
    """A segment. What the class is in SNOMED's words nobody said, so the code says no more than tissue."""
    from pydicom.sr.codedict import codes

    code = highdicom.sr.CodedConcept(*_TISSUE)
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name.replace("\\", "/")[:_LONGEST_LABEL] or f"segment {number}",
        segmented_property_category=code,
        segmented_property_type=code,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="Striate", family=codes.cid7162.ArtificialIntelligence, version=version("striate")
        ),
    )
