"""Copies of DICOM files by the basic confidentiality profile.

The table and its dummy values are dicom-anonymizer's. What we do otherwise, and why:

- it looks at the outermost attributes alone; here every item of every sequence is treated alike.
- it replaces dates that go by a date of the year 1; here X removes and Z empties, as the standard has them, and that
  date stands only where the standard asks for a value (D).
- X/Z/U* sequences (references) keep their items with new UIDs, so that a segmentation still finds its pictures.
- the patient's name and id become the same `patient-0001` everywhere (Z allows a dummy), so that one patient's
  pictures still count as one group.
- attributes that no edition of the dictionary knows go, and what a text that stays repeats of the name or id goes too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from striate.errors import cause_of
from striate.images.identity.base import Taken
from striate.images.identity.dicom import PSEUDONYM, burnt_in_risk, name_of, read_dataset
from striate.images.identity.profile import action_for
from striate.images.kinds import damaged

METHODS = ("Basic Application Level Confidentiality Profile, PS3.15 E.1", "Striate with dicom-anonymizer")
PROFILE_CODE = ("113100", "DCM", "Basic Application Confidentiality Profile")
_REFERENCES = "delete_or_empty_or_replace_UID"
_TEXT_TYPES = ("LO", "SH", "ST", "LT", "UT", "UC", "PN", "UN")
_TIMES = ("DA", "DT", "TM")
_LEAST_LETTERS = 3
"""Shorter parts of a name occur in other words by chance."""

_LONG = 5

_PATIENT = ("PatientName", "PatientID")
_NAMING = ("PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthName", "IssuerOfPatientID")


class Deidentification:
    """The copies of one tree: UIDs and patients that were one stay one."""

    def __init__(self) -> None:
        self._uids: dict[str, str] = {}
        self._patients: dict[str, str] = {}

    def copy(self, source: Path, target: Path) -> Taken:
        """Writes a copy by the profile; pixels stay as they are stored.

        Raises:
            PictureError: It cannot be read or written anew.
            MissingPartError: The extra `scans` is not installed.
        """
        dataset = read_dataset(source, pixels=True)
        if "DirectoryRecordSequence" in dataset:
            raise damaged(source, "a DICOMDIR lists files by their old names, and no copy could be right")
        taken = Taken(person=words_of(dataset), burnt_in=burnt_in_risk(dataset))
        try:
            pseudonym = self._pseudonym(dataset)
            self._treat(dataset, taken)
            _put_pseudonym(dataset, pseudonym, taken)
            _clean(dataset, taken)
            _declare(dataset)
            _renew_meta(dataset)
            dataset.save_as(target, enforce_file_format=True)
        except OSError:
            raise
        except Exception as error:  # pydicom raises nearly anything on damaged files
            target.unlink(missing_ok=True)
            raise damaged(source, _without(cause_of(error), taken.person)) from error
        return taken

    def _pseudonym(self, dataset: Any) -> str:
        key = "\n".join(str(dataset.get(name, "")).strip().lower() for name in _PATIENT[::-1])
        key = key.partition("\n")[0] or key
        return self._patients.setdefault(key, f"{PSEUDONYM}{len(self._patients) + 1:04d}") if key.strip() else ""

    def _treat(self, dataset: Any, taken: Taken) -> None:
        from pydicom.datadict import dictionary_has_tag, repeater_has_tag

        for tag in list(dataset.keys()):
            action = action_for(tag)
            if tag.is_private:
                del dataset[tag]
                taken.actions[f"private attributes of group {tag.group:04X}", "removed"] += 1
            elif action is not None:
                self._apply(dataset, tag, action, taken)
            elif not dictionary_has_tag(tag) and not repeater_has_tag(tag) and tag.element != 0:
                del dataset[tag]
                taken.actions[name_of(tag), "removed"] += 1
            elif dataset[tag].VR == "SQ":
                for item in dataset[tag].value:
                    self._treat(item, taken)

    def _apply(self, dataset: Any, tag: Any, action: str, taken: Taken) -> None:
        """X removes, Z empties, D puts a dummy, U a new UID; of several, the first that a reader can live with."""
        from pydicom import Sequence

        element = dataset[tag]
        sequence, done = element.VR == "SQ", "replaced"
        if sequence and action == _REFERENCES:
            for item in element.value:
                self._treat(item, taken)
        elif action == "delete" or (sequence and action.startswith("delete_or_")):
            del dataset[tag]
            done = "removed"
        elif action == "replace_UID":
            self._renew(element)
        elif action in ("empty", "delete_or_empty") or (element.VR in _TIMES and "empty" in action):
            element.value = Sequence() if sequence else b"" if element.VR in ("OB", "UN", "OW") else None
            done = "emptied"
        else:
            done = self._replace(dataset, tag)
        taken.actions[name_of(tag), done] += 1

    def _replace(self, dataset: Any, tag: Any) -> str:
        from dicomanonymizer.simpledicomanonymizer import replace_element

        try:
            if dataset[tag].VR == "UI":
                self._renew(dataset[tag])
            else:
                replace_element(dataset[tag])
        except (NotImplementedError, ValueError, TypeError):
            # A type for which the library has no dummy; without a value nothing is told.
            del dataset[tag]
            return "removed"
        return "replaced"

    def _renew(self, element: Any) -> None:
        several = element.VM > 1
        old = [str(uid) for uid in element.value] if several else [str(element.value or "")]
        new = [self._new_uid(uid) if uid else "" for uid in old]
        element.value = new if several else new[0]

    def _new_uid(self, uid: str) -> str:
        from pydicom.uid import generate_uid

        # Of no prefix and no entropy that the old one could be read from: a random UUID (PS3.5, annex B.2).
        return self._uids.setdefault(uid, str(generate_uid(prefix=None)))


def words_of(dataset: Any) -> frozenset[str]:
    """Parts of the patient's names and ids, in small letters, for finding them in file names and other texts."""
    words: set[str] = set()
    for name in _NAMING:
        text = str(dataset.get(name, "") or "").lower()
        if name != "IssuerOfPatientID" and text:
            words |= {text.strip(), *re.split(r"[\^=\\,;\s\[\]']+", text)}
    return frozenset(word for word in words if len(word) >= _LEAST_LETTERS)


def names_somebody(text: str, words: frozenset[str]) -> bool:
    """Whether a text repeats one of the words: a short one as a word of its own, a longer one anywhere."""
    low = text.lower()
    return any(
        word in low
        if len(word) >= _LONG
        else re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", low) is not None
        for word in words
    )


def _without(text: str, words: frozenset[str]) -> str:
    return "its content does not fit its types" if names_somebody(text, words) else text


def _put_pseudonym(dataset: Any, pseudonym: str, taken: Taken) -> None:
    for name in _PATIENT:
        if name in dataset and pseudonym:
            setattr(dataset, name, pseudonym)
            taken.actions[name, "replaced"] += taken.actions.pop((name, "emptied"), 0)


def _clean(dataset: Any, taken: Taken) -> None:
    """Texts that stay by the profile, and repeat the name or id all the same."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                _clean(item, taken)
        elif element.VR in _TEXT_TYPES and names_somebody(_text(element.value), taken.person):
            element.value = b"" if element.VR == "UN" else "ANONYMIZED"
            taken.actions[name_of(element.tag), "cleaned"] += 1


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _declare(dataset: Any) -> None:
    """Says in the file what was done (PS3.3, C.12.1.1.1 and C.7.1.1)."""
    from pydicom import Dataset, Sequence

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = PROFILE_CODE
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = list(METHODS)
    dataset.DeidentificationMethodCodeSequence = Sequence([code])
    dataset.LongitudinalTemporalInformationModified = "REMOVED"


def _renew_meta(dataset: Any) -> None:
    """The file's own header with nothing but what a reader needs; the preamble may hold anything, and goes."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

    syntax = getattr(dataset.file_meta, "TransferSyntaxUID", None)
    if syntax is None:
        implicit, little = dataset.original_encoding
        syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID") or dataset.file_meta.MediaStorageSOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID") or generate_uid(prefix=None)
    meta.TransferSyntaxUID = syntax
    dataset.file_meta = meta
    dataset.preamble = b"\0" * 128
    for trailing in ((0xFFFC, 0xFFFC), (0xFFFA, 0xFFFA)):
        if trailing in dataset:
            del dataset[trailing]
