"""Probabilities and labels as an OME-Zarr image that is written block by block."""

import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from napari_unet_studio.core.blocks import BlockGrid
from napari_unet_studio.core.errors import InputError, StorageError
from napari_unet_studio.io import ome_metadata, result_folder
from napari_unet_studio.io.guard import reading, writing
from napari_unet_studio.io.ome_layout import ResultLayout, Version, create_array
from napari_unet_studio.io.plain_json import finite
from napari_unet_studio.io.pyramid import finer, halved
from napari_unet_studio.io.zarr_pixels import Pixels


class ResultStore:
    """A result on its way into an OME-Zarr image, in any order, by several processes.

    Until it is finished, all of it lies in the folder ``<path>.part``. Then it is
    described as an image and gets its path in one step: nothing that is half written
    is ever an image there. Processes write different blocks of the grid at the same
    time: each block consists of whole chunks.

    Parameters
    ----------
    path
        Of the result, with the suffix ".zarr".
    layout
        As given to `create`.
    """

    def __init__(self, path: Path, layout: ResultLayout) -> None:
        self.path = path
        self.layout = layout

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        shape: Sequence[int],
        axes: str,
        channels: int,
        block: Sequence[int],
        spacing: Sequence[float] | None,
        unit: str,
        name: str,
        version: Version = "0.5",
        translate: Sequence[float] | None = None,
        label_type: DTypeLike = "int32",
        channel_names: Sequence[str] = (),
        overwrite: bool = False,
    ) -> "ResultStore":
        """Start a result.

        Parameters
        ----------
        shape, axes, channels, block, spacing, unit, name, version, translate
            As in `ResultLayout`.
        label_type, channel_names
            As in `ResultLayout`.
        overwrite
            Discard an unfinished result, and replace a finished one, which stays where
            it is until then. Only results of this package are replaced.

        Raises
        ------
        StorageError
            If there is something at the path already, or nothing can be written.
        InputError
            If the path has another suffix than ".zarr", or the layout makes no sense.
        """
        path = Path(path)
        if path.suffix != ".zarr":
            raise InputError(
                f"{path} cannot be a result; give it a name that ends with .zarr."
            )
        layout = ResultLayout(
            tuple(map(int, shape)),
            axes,
            channels,
            tuple(map(int, block)),
            None if spacing is None else tuple(map(float, spacing)),
            unit,
            name,
            version,
            None if translate is None else tuple(map(float, translate)),
            np.dtype(label_type).name,
            tuple(channel_names),
        )
        document = {"layout": asdict(layout), "overwrite": overwrite}
        result_folder.begin(path, document, layout.create_groups, overwrite)
        return cls(path, layout)

    @classmethod
    def open(cls, path: str | Path) -> "ResultStore":
        """Open an unfinished result, by the path it will have.

        Raises
        ------
        StorageError
            If there is none, or it cannot be read.
        """
        path = Path(path)
        part = result_folder.part_of(path)
        if not result_folder.is_unfinished(path):
            raise StorageError(f"There is no unfinished result at {part}; start one.")
        with reading(part, "an unfinished result"):
            document = result_folder.read_document(path)
            return cls(path, ResultLayout.of(document["layout"]))

    @staticmethod
    def unfinished(path: str | Path) -> bool:
        """Return whether there is an unfinished result that would have this path."""
        return result_folder.is_unfinished(Path(path))

    @staticmethod
    def discard(path: str | Path) -> None:
        """Delete an unfinished result, or what is left of one.

        Raises
        ------
        StorageError
            If it cannot be deleted, or is none.
        """
        result_folder.discard(Path(path))

    @property
    def folder(self) -> Path:
        """What holds the unfinished result, and may hold more; deleted in the end."""
        return result_folder.part_of(self.path)

    @property
    def grid(self) -> BlockGrid:
        """The blocks of the image."""
        return BlockGrid(self.layout.shape, self.layout.block)

    @property
    def probabilities(self) -> Pixels:
        """Probabilities: float16, shape (C, *image)."""
        return self._probabilities[0]

    @property
    def labels(self) -> Pixels:
        """Labels: shape of the image."""
        return self._labels[0]

    def scratch(self, name: str, dtype: DTypeLike, shared: bool = True) -> Pixels:
        """Create or open an array of the image's shape that is not part of the result.

        Parameters
        ----------
        name, dtype
            Of the array.
        shared
            See `Pixels`.

        Raises
        ------
        StorageError
            If it cannot be created, or exists with another type.
        """
        import zarr

        folder = self.folder / "scratch" / name
        with writing(folder):
            if not folder.exists():
                self._create_scratch(folder, dtype)
        with reading(folder, "an array"):
            found = Pixels(zarr.open_array(folder, mode="r+"), folder, None, shared)
            if found.dtype != dtype:
                raise ValueError(f"its type is {found.dtype}, not {np.dtype(dtype)}")
            return found

    def pyramid_grid(self, level: int) -> BlockGrid:
        """Return the pieces of a level from 1 on; all of the finer one come first."""
        return BlockGrid(self.layout.levels[level], self.layout.chunk)

    def fill(self, level: int, number: int) -> None:
        """Compute one piece of a level from the next finer one.

        Means of probabilities, and every second label. Pieces of a level may be
        computed at the same time, and again.
        """
        region = self.pyramid_grid(level).region(number)
        source = finer(region, self.layout.levels[level - 1])
        for channel in range(self.layout.channels):
            pixels = self._probabilities[level - 1][(channel, *source)]
            self._probabilities[level][(channel, *region)] = halved(pixels)
        labels = self._labels[level - 1][source]
        self._labels[level][region] = labels[..., ::2, ::2]

    def fill_all(self) -> Iterator[tuple[int, int]]:
        """Compute all coarser levels, yielding pieces done and pieces in all."""
        levels = range(1, len(self.layout.levels))
        total = sum(len(self.pyramid_grid(level)) for level in levels)
        done = 0
        for level in levels:
            for number in range(len(self.pyramid_grid(level))):
                self.fill(level, number)
                done += 1
                yield done, total

    def publish(self, provenance: Mapping[str, Any]) -> Path:
        """Describe the image and give it its path, once all levels are filled.

        Parameters
        ----------
        provenance
            What made the result: plain JSON, kept in the root's attributes under
            "napari_unet_studio".

        Raises
        ------
        StorageError
            If something else has come to the path, or nothing can be written. The
            unfinished result stays.
        """
        import zarr

        version, name = self.layout.version, self.layout.name
        image = {
            "multiscales": [self.layout.multiscale(labels=False)],
            "omero": self.layout.described_channels,
        }
        label = {
            "multiscales": [self.layout.multiscale(labels=True)],
            "image-label": ome_metadata.image_label(version),
        }
        attributes = {
            f"labels/{name}": ome_metadata.attributes(version, **label),
            "labels": ome_metadata.attributes(version, labels=[name]),
            "": {
                **ome_metadata.attributes(version, **image),
                result_folder.PROVENANCE: finite(provenance),
            },
        }
        with writing(self.path):
            for group, values in attributes.items():
                folder = self.folder / "result" / group
                zarr.open_group(folder, mode="r+").attrs.put(values)
            overwrite = result_folder.read_document(self.path)["overwrite"]
        result_folder.bring(self.path, overwrite)
        return self.path

    def finish(self, provenance: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
        """Fill all levels and publish; yields pieces done and pieces in all."""
        yield from self.fill_all()
        self.publish(provenance)

    def _create_scratch(self, folder: Path, dtype: DTypeLike) -> None:
        """Create an array that appears whole: others may create it as well."""
        new = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
        layout = self.layout
        create_array(
            new, layout.shape, layout.chunk, dtype, layout.axes, "0.5", codec="lz4"
        )
        try:
            new.rename(folder)
        except OSError:
            shutil.rmtree(new)
            if not folder.exists():  # made by another process otherwise
                raise

    @cached_property
    def _probabilities(self) -> list[Pixels]:
        return self._levels("", self.layout.stored_axes.index("C"))

    @cached_property
    def _labels(self) -> list[Pixels]:
        return self._levels(f"labels/{self.layout.name}", None)

    def _levels(self, group: str, channel: int | None) -> list[Pixels]:
        import zarr

        folder = self.folder / "result" / group
        with reading(self.folder, "an unfinished result"):
            arrays = [
                zarr.open_array(folder / str(level), mode="r+")
                for level in range(len(self.layout.levels))
            ]
            return [Pixels(array, self.folder, channel) for array in arrays]
