"""One picture of a data set with its annotation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from striate.structures.annotation import Annotation, AnnotationSource
from striate.structures.picture import Picture


@runtime_checkable
class PictureSource(Protocol):
    """Where the pixels of a picture can be read. Must be picklable, so that worker processes can read too."""

    @property
    def name(self) -> str:
        """Path, or `path#index` for a picture inside an archive; unique within a data set."""

    def read(self) -> Picture:
        """Reads the picture.

        Raises:
            PictureError: It cannot be read.
        """


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture, read when asked for, and its annotation.

    Attributes:
        source: Where the pixels are.
        annotation: What it shows, or where that can be read; `None` where unknown.
        group: Pictures of one group (a patient, a set of duplicates) never straddle two splits.
        size_hw: Height and width of the picture in pixels, where it was looked at already.
    """

    source: PictureSource
    annotation: Annotation | AnnotationSource | None = None
    group: str | None = None
    size_hw: tuple[int, int] | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """Name of the source."""
        return self.source.name

    @property
    def case(self) -> str | None:
        """The volume that the picture is a slice of; `None` for a picture that stands for itself."""
        case: str | None = getattr(self.source, "volume", None)
        return case

    def read(self) -> Picture:
        """Reads the picture.

        Raises:
            PictureError: It cannot be read.
        """
        return self.source.read()

    def read_annotation(self) -> Annotation | None:
        """What it shows; read from its files where it lies in files of its own.

        Raises:
            PictureError: It cannot be read.
        """
        if isinstance(self.annotation, AnnotationSource):
            return self.annotation.read()
        return self.annotation
