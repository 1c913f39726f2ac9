"""What counts as an object: ids or pieces, what is ignored, and classes of a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.measure_columns import is_measured

ID_COLUMNS = ("index", "label")  # napari's own name first
OUTSIDE = -1  # id of ignored pixels where pieces get ids of their own


@dataclass(frozen=True)
class Classes:
    """Classes of the objects, from a column of the layer's features.

    Parameters
    ----------
    column
        Its name.
    names
        The values of the column, sorted; the first is class 1.
    numbers
        From the id of an object to its class.
    """

    column: str
    names: tuple[Any, ...]
    numbers: Mapping[int, int]


@dataclass(frozen=True)
class Reading:
    """How the labels of a layer are read.

    Parameters
    ----------
    ndim
        Axes of a frame, 2 or 3, in a layer with depth.
    pieces
        Whether connected pieces are the objects instead of ids.
    ignore
        Id of the pixels without annotation.
    classes
        Classes of the objects; None is one class for all.
    """

    ndim: int = 2
    pieces: bool = False
    ignore: int | None = None
    classes: Classes | None = None

    def objects(self, raw: NDArray[Any]) -> tuple[NDArray[Any], int | None]:
        """Return ids of the objects, and the id that marks ignored pixels there."""
        if not self.pieces:
            return raw, self.ignore
        if self.ignore is None:
            return connected_pieces(raw), None
        ignored = raw == self.ignore
        rest = np.where(ignored, raw.dtype.type(0), raw)
        ids = connected_pieces(rest)
        ids[ignored] = OUTSIDE
        return ids, OUTSIDE

    @property
    def numbers(self) -> Mapping[int, int] | None:
        """Class of each object, as `separation_weights` takes them."""
        return None if self.classes is None else self.classes.numbers


def frame_ndim(axes: str, ndim: int) -> int:
    """Return the number of axes of a frame: `ndim` in layers with depth, else 2.

    Raises
    ------
    InputError
        If `ndim` is neither 2 nor 3.

    Examples
    --------
    >>> frame_ndim("TZYX", 3), frame_ndim("TYX", 3)
    (3, 2)
    """
    if ndim not in (2, 3):
        raise InputError(f"A frame has 2 or 3 axes, not {ndim!r}; give ndim=2 or 3.")
    return ndim if spatial_ndim(axes) == 3 else 2


def connected_pieces(labels: NDArray[Any]) -> NDArray[np.int32]:
    """Number what hangs together, face to face, and has one value; 0 is background."""
    from skimage.measure import label  # slow to import: not for opening the widget

    pieces: NDArray[np.int32] = label(labels, connectivity=1).astype(np.int32)
    return pieces


def class_columns(layer: Any) -> list[str]:
    """Return the columns of a layer's features that may name classes of objects.

    The numbers of the object table, such as that of neighbours, do not.
    """
    table = getattr(layer, "features", None)
    if table is None or id_column(table) is None or not len(table):
        return []
    return [
        str(name)
        for name in table.columns
        if name not in ID_COLUMNS
        and not is_measured(str(name))
        and _names_classes(table[name])
    ]


def id_column(table: Any) -> str | None:
    """Return the column with the ids of the objects."""
    return next((name for name in ID_COLUMNS if name in table.columns), None)


def classes_of(layer: Any, column: str) -> Classes | None:
    """Read the classes of a layer's objects; empty cells are no class.

    Returns
    -------
    Classes or None
        None if the layer has no such column any more.
    """
    if column not in class_columns(layer):
        return None
    table = layer.features
    ids = id_column(table)
    table = table[(table[ids] != 0) & (table[column] != "")].dropna(subset=[column])
    names = sorted(table[column].unique())
    place = {name: number for number, name in enumerate(names, 1)}
    numbers = {
        int(i): place[name] for i, name in zip(table[ids], table[column], strict=True)
    }
    return Classes(column, tuple(names), numbers)


def _names_classes(column: Any) -> bool:
    """Whether a column holds whole numbers or words."""
    values = column.dropna()
    if not len(values):
        return False
    if values.dtype.kind == "f":  # whole numbers with gaps come as these
        return bool(np.all(np.mod(values, 1) == 0))
    if values.dtype.kind in "iu":
        return True
    return all(isinstance(value, str) for value in values)
