"""What a map is made of, its files by their names, and whether they may be written. Used by `course map`.

Imports no Keras, so that a slip in a name is told at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from helpers.data import DataError

if TYPE_CHECKING:
    from rasterio import Affine
    from rasterio.crs import CRS


class MapError(DataError):
    """A map that cannot be written. The message says why, and what to do."""


class Raster(Protocol):
    """What a map is made of."""

    @property
    def shape(self) -> tuple[int, int]:
        """Return rows and columns."""

    @property
    def crs(self) -> "CRS":
        """Return the coordinate system, in metres or feet."""

    @property
    def transform(self) -> "Affine":
        """Return what makes coordinates of columns and rows."""


@dataclass(frozen=True)
class MapFiles:
    """What a map consists of.

    Attributes:
        path: of the map, `….tif`.
        has_probabilities: whether they are written as well.
    """

    path: Path
    has_probabilities: bool = False

    @property
    def probabilities(self) -> Path:
        """Return the file of the probabilities."""
        return self.path.with_name(f"{self.path.stem}_probabilities{self.path.suffix}")

    @property
    def reports(self) -> list[Path]:
        """Return the files of areas, of everything that was found, and of the picture."""
        return [self.path.with_suffix(suffix) for suffix in (".csv", ".json", ".png")]

    @property
    def all(self) -> list[Path]:
        """Return all files that may be written or, where they are another map's, removed; the map first."""
        return [*(each for path in (self.path, self.probabilities) for each in (path, aux_xml(path))), *self.reports]

    @property
    def unfinished(self) -> Path:
        """Return the folder of what is to become the map."""
        return self.path.with_name(f".{self.path.name}.unfinished")

    @property
    def about(self) -> Path:
        """Return the file in it that says of which map it is."""
        return self.unfinished / "about.json"

    def check(self, *, overwrite: bool, sources: Iterable[str | Path] = ()) -> None:
        """Check that the files may be written, as far as that is known before the map is begun.

        Args:
            overwrite: whether earlier files may be replaced.
            sources: what the map is to be made of, which never is.

        Raises:
            MapError: the name is none of a GeoTIFF, its folder is not there, or a file may not be replaced.
        """
        if self.path.suffix.lower() not in (".tif", ".tiff"):
            raise MapError(f"{self.path} is no name of a GeoTIFF: give one that ends in .tif.")
        if not self.path.parent.is_dir():
            raise MapError(f"there is no folder {self.path.parent} for {self.path.name}: make it, or name another.")
        there = [file for file in self.all if file.exists()]
        for source in sources:
            if spoilt := next((file for file in there if file.samefile(source)), None):
                raise MapError(f"{spoilt} is what the map is to be made of: name another file (--out).")
        if not overwrite and not self.about.exists():  # of a map that is gone on with, some files are there
            self.refuse_earlier()

    def refuse_earlier(self) -> None:
        """Refuse to replace files.

        Raises:
            MapError: one is there already.
        """
        if there := next((file for file in self.all if file.exists()), None):
            raise MapError(f"{there} is there already. Name another file, or replace it: --force.")


def aux_xml(path: Path) -> Path:
    """Return the file beside a raster where GDAL writes what a TIFF has no room for."""
    return path.with_name(f"{path.name}.aux.xml")
