"""Whose pictures these are, where the files say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from striate.errors import MissingPartError, PictureError
from striate.images import FileSource
from striate.images.dicom_files import SUFFIXES, open_header
from striate.images.volumes.dicom_series import patient_of
from striate.structures import Sample

_TAGS = ("PatientID", "StudyInstanceUID")


def with_patients(samples: Sequence[Sample]) -> list[Sample]:
    """The same samples; DICOM files that nobody has put into a group are in that of their patient.

    Two films of one patient are no independent pictures: they must not be learned and tested on. The group is a short
    hash of the patient's id, never the id.
    """
    return [_with_patient(sample) for sample in samples]


def _with_patient(sample: Sample) -> Sample:
    source = sample.source
    if sample.group is not None or not isinstance(source, FileSource) or source.path.suffix.lower() not in SUFFIXES:
        return sample
    try:
        dataset, _ = open_header(source.path, _TAGS)
    except (PictureError, MissingPartError, OSError):
        # Whoever reads its pixels reports it.
        return sample
    name = patient_of(str(dataset.get("PatientID", "")), str(dataset.get("StudyInstanceUID", "")))
    return replace(sample, group=f"patient {name}")
