"""Files that carry a made patient, in every place where a patient may stand."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

NAME, IDENTIFIER, BIRTH = "Quixbury^Zelphine", "ZQ-7741-K", "19470229"
SECRETS = (b"Quixbury", b"Zelphine", b"ZQ-7741-K", b"19470229", b"Wexcombe Infirmary", b"1.2.826.0.1.99.77")
"""None of these may be found in what is made of the files."""


def write_dicom(path: Path, pixels: npt.NDArray[np.uint16], number: int = 1, **attributes: Any) -> Path:
    """A CT slice of one patient, with the name in tags, in a sequence, in a private tag and in the preamble.

    Args:
        path: The file.
        pixels: `(H, W)`.
        number: Distinguishes files of a series.
        **attributes: Further attributes by keyword.
    """
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = CTImageStorage, ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.99.77.{number}"
    made = FileDataset(str(path), {}, file_meta=meta, preamble=b"Quixbury".ljust(128, b"\0"))
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.826.0.1.99.77.100", "1.2.826.0.1.99.77.200"
    made.Modality, made.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.PatientName, made.PatientID, made.PatientBirthDate = NAME, IDENTIFIER, BIRTH
    made.StudyDate, made.AcquisitionDate, made.InstitutionName = "20200102", "20200102", "Wexcombe Infirmary"
    made.ReferringPhysicianName, made.StudyDescription = "Quixbury^Senior", "follow-up of Zelphine Quixbury"
    request = pydicom.Dataset()
    request.RequestedProcedureDescription = f"CT of {NAME}"
    made.RequestAttributesSequence = pydicom.Sequence([request])
    source = pydicom.Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = CTImageStorage, "1.2.826.0.1.99.77.1"
    made.SourceImageSequence = pydicom.Sequence([source])
    made.FilterType, made.ProtocolName = "WEDGE", "chest"
    made.ConvolutionKernel = "for Quixbury"
    block = made.private_block(0x0009, "MADE SCANNER", create=True)
    block.add_new(1, "LO", f"{NAME} {IDENTIFIER} {BIRTH}")
    made.Rows, made.Columns = pixels.shape
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 0
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.PixelSpacing, made.RescaleSlope, made.RescaleIntercept = [0.5, 0.5], 1, 0
    made.InstanceNumber, made.ImagePositionPatient = number, [0, 0, number]
    made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.PixelData = pixels.tobytes()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return path


def write_png(path: Path, pixels: npt.NDArray[Any]) -> Path:
    """A PNG with text and EXIF with an artist and a place."""
    from PIL import Image, PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_text("Patient", NAME)
    info.add_itxt("Comment", f"{IDENTIFIER} {BIRTH}")
    info.add_text("Software", "scanner 1.0")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, pnginfo=info, exif=made_exif())
    return path


def write_jpeg(path: Path, pixels: npt.NDArray[Any], orientation: int = 6) -> Path:
    """A JPEG with EXIF, a comment, XMP, and something behind its end."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><dc:creator>Zelphine</dc:creator></x:xmpmeta>"
    Image.fromarray(pixels).save(path, "JPEG", exif=made_exif(orientation), comment=NAME.encode(), xmp=xmp)
    path.write_bytes(path.read_bytes() + b"Quixbury")
    return path


def made_exif(orientation: int = 1) -> Any:
    """EXIF with a description, an artist, an owner of the camera and a place."""
    from PIL import Image

    exif = Image.Exif()
    exif[274], exif[270], exif[315] = orientation, f"{NAME} {BIRTH}", NAME
    exif.get_ifd(34665)[42032] = IDENTIFIER
    gps = exif.get_ifd(34853)
    gps[1], gps[2] = "N", (51.0, 0.0, 0.0)
    return exif


def write_tiff(path: Path, pixels: npt.NDArray[Any], **options: Any) -> Path:
    """A TIFF with an artist, a document's name and a private tag, written by tifffile."""
    import tifffile

    path.parent.mkdir(parents=True, exist_ok=True)
    extra = [(315, 2, 0, NAME, True), (269, 2, 0, f"{IDENTIFIER} {BIRTH}", True), (65000, 2, 0, "Zelphine", True)]
    tifffile.imwrite(path, pixels, extratags=extra, **options)
    return path


def write_nifti(path: Path, voxels: npt.NDArray[Any]) -> Path:
    """A NIfTI with the name in its description, its old database field, an extension and the gzip header."""
    import nibabel

    image = nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, 2.0, 1.0]))
    image.header["descrip"], image.header["aux_file"], image.header["db_name"] = NAME, IDENTIFIER, BIRTH
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", NAME.encode()))
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = image.to_bytes()
    if path.suffix != ".gz":
        path.write_bytes(plain)
        return path
    with path.open("wb") as file, gzip.GzipFile("Quixbury.nii", "wb", fileobj=file) as packed:
        packed.write(plain)
    return path


def write_nrrd(path: Path, voxels: npt.NDArray[Any]) -> Path:
    """An NRRD with the name in a comment, a field and key/value pairs."""
    head = f"NRRD0004\n# of {NAME}\ntype: uint16\ndimension: 3\nsizes: {' '.join(map(str, voxels.shape[::-1]))}\n"
    head += f"endian: little\nencoding: raw\ncontent: {NAME}\nPatientID:={IDENTIFIER}\nBirth:={BIRTH}\n\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head.encode() + voxels.astype("<u2").tobytes())
    return path
