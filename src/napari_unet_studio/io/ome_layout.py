"""What an OME-Zarr result consists of, and its empty arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike

from napari_unet_studio.core.blocks import BlockGrid
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io import ome_metadata
from napari_unet_studio.io.pyramid import level_shapes
from napari_unet_studio.io.zarr_pixels import chunk_for

Version = Literal["0.4", "0.5"]


@dataclass(frozen=True)
class ResultLayout:
    """Shape, axes and names of a result.

    Parameters
    ----------
    shape, axes
        Of the image: (T)(Z)YX, no channels.
    channels
        Number of probabilities per pixel.
    block
        Unit of writing, along the axes of the image.
    spacing, translate
        Pixel size and place of the first pixel, for the spatial axes; None if unknown.
    unit
        "um", or "pixel" for none.
    name
        Of the labels and the image.
    version
        Of OME-Zarr: "0.5" is based on zarr v3, "0.4" on zarr v2.
    label_type
        Type of the labels, a signed or unsigned whole number.
    channel_names
        Names of the channels, or empty.
    """

    shape: Shape
    axes: str
    channels: int
    block: Shape
    spacing: tuple[float, ...] | None
    unit: str
    name: str
    version: Version = "0.5"
    translate: tuple[float, ...] | None = None
    label_type: str = "int32"
    channel_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expected = [axis for axis in "TZYX" if axis in self.axes]
        if list(self.axes) != expected or not self.axes.endswith("YX"):
            raise InputError(
                f"A result has axes (T)(Z)YX, not {self.axes}; reorder the image."
            )
        BlockGrid(self.shape, self.block)
        spatial = len(self.axes.replace("T", ""))
        if len(self.axes) != len(self.shape) or any(
            values is not None and len(values) != spatial
            for values in (self.spacing, self.translate)
        ):
            raise InputError(
                f"Axes {self.axes} do not fit the shape {self.shape} or a pixel size "
                f"of {self.spacing}; give a length per axis, a size per axis of space."
            )
        if not self.name or set("/\\") & set(self.name) or self.name[0] in "._":
            raise InputError(
                f"Labels cannot be named {self.name!r}; use letters, digits and '-'."
            )
        if self.channels < 1 or len(self.channel_names) not in (0, self.channels):
            raise InputError(
                f"{self.channels} channels do not fit the names {self.channel_names}; "
                "give at least one channel, and a name for each or none."
            )
        if self.version not in ("0.4", "0.5") or np.dtype(self.label_type).kind not in (
            "i",
            "u",
        ):
            raise InputError(
                f"A result of version {self.version} with labels of type "
                f"{self.label_type} cannot be written; choose 0.4 or 0.5, and whole "
                "numbers."
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the layout of a JSON document."""
        return cls(**{key: _frozen(value) for key, value in values.items()})

    @cached_property
    def chunk(self) -> Shape:
        """Chunk of the image's arrays, of which each block is a multiple."""
        return chunk_for(self.block, self.shape, self.axes)

    @cached_property
    def levels(self) -> tuple[Shape, ...]:
        """Shapes of the image at all levels, the finest first."""
        return level_shapes(self.shape)

    @property
    def stored_axes(self) -> str:
        """Axes of the probabilities in the file: time comes before channels."""
        return f"TC{self.axes[1:]}" if self.axes[0] == "T" else f"C{self.axes}"

    def multiscale(self, labels: bool) -> dict[str, Any]:
        """Return the description of the labels, or of the probabilities."""
        spatial = self.axes.replace("T", "")
        return ome_metadata.multiscale(
            self.version,
            self.name,
            self.axes if labels else self.stored_axes,
            len(self.levels),
            dict(zip(spatial, self.spacing or (), strict=False)),
            dict(zip(spatial, self.translate or (), strict=False)),
            self.unit if self.spacing is not None else "pixel",
            mean=not labels,
        )

    @property
    def described_channels(self) -> dict[str, Any]:
        """How viewers show the probabilities."""
        numbered = [f"class {number}" for number in range(self.channels)]
        return ome_metadata.channels(self.channel_names or numbered)

    def create_groups(self, folder: Path) -> None:
        """Create all arrays, empty, and no description of them."""
        import zarr

        channel = self.stored_axes.index("C")
        for group in ("", "labels", f"labels/{self.name}"):
            zarr.create_group(folder / group, zarr_format=_FORMATS[self.version])
        for number, shape in enumerate(self.levels):
            for group, dtype in (("", "float16"), (f"labels/{self.name}", None)):
                sizes, chunk, axes = list(shape), list(self.chunk), self.axes
                if dtype is not None:
                    sizes.insert(channel, self.channels)
                    chunk.insert(channel, 1)
                    axes = self.stored_axes
                create_array(
                    folder / group / str(number),
                    sizes,
                    chunk,
                    dtype or self.label_type,
                    axes,
                    self.version,
                )


_FORMATS: dict[Version, Literal[2, 3]] = {"0.4": 2, "0.5": 3}


def create_array(
    folder: Path,
    shape: Sequence[int],
    chunk: Sequence[int],
    dtype: DTypeLike,
    axes: str,
    version: Version,
    codec: str = "zstd",
) -> None:
    """Create an empty zarr array as OME-Zarr wants it: chunks in nested folders.

    Parameters
    ----------
    codec
        Blosc's: "zstd" packs better, "lz4" is faster.
    """
    import zarr
    from zarr.codecs import BloscCodec

    common: dict[str, Any] = {
        "shape": tuple(shape),
        "chunks": tuple(min(c, s) for c, s in zip(chunk, shape, strict=True)),
        "dtype": np.dtype(dtype),
        "fill_value": 0,
    }
    if version == "0.4":
        blosc: Any = {"id": "blosc", "cname": codec, "clevel": 3, "shuffle": 1}
        zarr.create_array(
            folder,
            zarr_format=2,
            chunk_key_encoding={"name": "v2", "separator": "/"},
            compressors=blosc,
            **common,
        )
    else:
        zarr.create_array(
            folder,
            zarr_format=3,
            dimension_names=tuple(axes.lower()),
            compressors=BloscCodec(cname=codec, clevel=3, shuffle="shuffle"),  # type: ignore[arg-type]
            **common,
        )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
