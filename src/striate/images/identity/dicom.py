"""DICOM: attributes of the confidentiality profile, private ones, and the risk of text in the pixels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from striate.errors import PictureError, cause_of
from striate.images.identity.base import Holder, Identity, Taken
from striate.images.identity.profile import action_for, missing_scans
from striate.images.kinds import damaged, truncated

UIDS = "unique identifiers (UIDs)"
DUMMIES = frozenset(
    ("ANONYMIZED", "00010101", "00010101010101.000000+0000", "000000.00", "000Y", "0", "http://anonymized.invalid")
)
"""What stands for a value that was there (dicom-anonymizer's words), in a file that says that it names nobody."""

PSEUDONYM = "patient-"
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_SCREEN_MODALITIES = {"US": "ultrasound", "SC": "a captured screen", "XA": "angiography", "ES": "endoscopy"}
_SCREEN_MODALITIES |= {"OT": "of another kind of device", "DOC": "a document", "IVUS": "ultrasound in vessels"}
_VALUE_TYPES = (b"AE", b"AS", b"CS", b"DA", b"DS", b"DT", b"LO", b"OB", b"SH", b"TM", b"UI", b"UL", b"US")


class _DicomHolder(Holder):
    """DICOM files, with or without their preamble."""

    name = "dicom"
    title = "DICOM"

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002
        if head[128:132] == b"DICM":
            return True
        # Without a preamble the first element is of group 2 or 8: explicit with a type, implicit with a short length.
        if head[:2] not in (b"\x02\x00", b"\x08\x00") or len(head) < 16:
            return False
        return head[4:6] in _VALUE_TYPES or (head[3] == 0 and head[5:8] == b"\0\0\0" and head[4] <= 64)

    def find(self, path: Path) -> Identity:
        dataset = read_dataset(path, pixels=False)
        settled = says_it_names_nobody(dataset)
        names = dict.fromkeys(_names(dataset, settled))
        if UIDS in names:
            del names[UIDS]
            names[UIDS] = None
        return Identity(tuple(names), burnt_in_risk(dataset))

    def copier(self) -> Callable[[Path, Path], Taken]:
        from striate.images.identity.dicom_copying import Deidentification

        return Deidentification().copy


def read_dataset(path: Path, *, pixels: bool) -> Any:
    """A DICOM file as pydicom has it.

    Raises:
        PictureError: It is none, or damaged.
        MissingPartError: pydicom is not installed.
    """
    try:
        import pydicom
    except ImportError as error:
        raise missing_scans() from error
    _quieten(pydicom)
    try:
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=not pixels)
    except OSError:
        raise
    except Exception as error:  # pydicom raises nearly anything on damaged files
        raise damaged(path, cause_of(error)) from error
    if "SOPClassUID" not in dataset and "DirectoryRecordSequence" not in dataset:
        raise PictureError(
            "it begins like DICOM, and does not say what it holds.",
            where=path,
            fix="Get it again from its origin.",
            kind="damaged",
        )
    if pixels and "Rows" in dataset:
        _require_all_pixels(path, dataset)
    return dataset


def _require_all_pixels(path: Path, dataset: Any) -> None:
    from pydicom.pixels.utils import get_expected_length

    try:
        compressed = getattr(getattr(dataset.file_meta, "TransferSyntaxUID", None), "is_compressed", False)
        held = next((dataset[key].value for key in _PIXELS if key in dataset), b"")
        expected = 1 if compressed or "PixelData" not in dataset else get_expected_length(dataset)
        whole = len(held or b"") >= expected
    except Exception as error:  # whatever pydicom meets in values of the wrong type
        raise damaged(path, "it does not say how its pixels are stored") from error
    if not whole:
        raise truncated(path)


def _quieten(pydicom: Any) -> None:
    """Keeps pydicom's remarks on odd values from standard error, since they quote the values."""
    settings, config = pydicom.config.settings, pydicom.config
    if settings.reading_validation_mode == config.WARN:
        settings.reading_validation_mode = config.IGNORE
    settings.writing_validation_mode = config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)


def says_it_names_nobody(dataset: Any) -> bool:
    """Whether a file says that everything that names its patient was taken out."""
    return str(dataset.get("PatientIdentityRemoved", "")).strip().upper() == "YES"


def burnt_in_risk(dataset: Any) -> tuple[str, ...]:
    """Why text may be written into the pixels; none where the file says that there is none, or it holds no picture."""
    said = str(dataset.get("BurnedInAnnotation", "")).strip().upper()
    modality = str(dataset.get("Modality", "")).strip().upper()
    if said == "YES":
        return ("says itself that text is burnt into its pixels",)
    if said == "NO" or modality in ("SEG", "SR") or "Rows" not in dataset:
        return ()
    reasons = []
    if modality in _SCREEN_MODALITIES:
        reasons.append(f"is {_SCREEN_MODALITIES[modality]} (modality {modality})")
    if "Secondary Capture" in getattr(dataset.get("SOPClassUID", ""), "name", ""):
        reasons.append("is a secondary capture")
    kind = dataset.get("ImageType", ())
    if "DERIVED" in ([kind] if isinstance(kind, str) else list(kind or ())):
        reasons.append("is derived from other pictures")
    return tuple(reasons)


def _names(dataset: Any, settled: bool) -> Iterator[str]:
    """Names of attributes of the profile that are not empty, in sequences too."""
    for tag in list(dataset.keys()):
        element = dataset.get_item(tag)
        if tag.is_private:
            if not tag.is_private_creator and element.value:
                yield f"private attributes of group {tag.group:04X}"
            continue
        action = action_for(tag)
        if _type_of(tag, element) == "SQ":
            items = _items(dataset, tag)
            if action is not None and items and not settled and action != "delete_or_empty_or_replace_UID":
                yield name_of(tag)
            for item in items:
                yield from _names(item, settled)
        elif action is not None and element.value not in (None, "", b""):
            if action == "replace_UID":
                yield from () if settled else (UIDS,)
            elif _tells(dataset, tag, settled):
                yield name_of(tag)


def _items(dataset: Any, tag: Any) -> list[Any]:
    try:
        return list(dataset[tag].value or ())
    except Exception:  # noqa: BLE001 - a sequence that cannot be read names nothing by itself
        return []


def _tells(dataset: Any, tag: Any, settled: bool) -> bool:
    try:
        text = str(dataset[tag].value).strip(" \0")
    except Exception:  # noqa: BLE001 - it holds something, whatever it is
        return True
    return bool(text) and not (settled and (text in DUMMIES or text.startswith((PSEUDONYM, "b'Anonymized"))))


def _type_of(tag: Any, element: Any) -> str:
    from pydicom.datadict import dictionary_VR

    if element.VR:
        return str(element.VR)
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def name_of(tag: Any) -> str:
    """Keyword of an attribute, or its numbers where it has none."""
    from pydicom.datadict import keyword_for_tag

    return keyword_for_tag(tag) or f"({tag.group:04X},{tag.element:04X})"


DICOM = _DicomHolder()
