"""What a row of the table is when work begins: nothing done later changes it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels

from napari_unet_studio.io.images import read_image, read_label_array
from napari_unet_studio.layers import Source, source_of, training_source
from napari_unet_studio.tasks.training.pairs import Pair, Role


@dataclass(frozen=True, eq=False)
class Taken:
    """An image with its labels, out of layers or still in files.

    Parameters
    ----------
    image
        A layer as it is now, or a file.
    labels
        The pixels of a layer, or a file.
    role
        "train" or "validate".
    """

    image: Source | Path
    labels: Any
    role: Role

    @classmethod
    def of(cls, image: Image | Path, labels: Labels | Path, role: Role) -> "Taken":
        """Read layers, without transparency; files are left for :meth:`pair`.

        Raises
        ------
        InputError
            If the axes of a layer cannot be named.
        """
        painted_on = None if isinstance(labels, Path) else labels
        return cls(
            image if isinstance(image, Path) else training_source(image, painted_on),
            labels if isinstance(labels, Path) else source_of(labels).data,
            role,
        )

    def pair(self) -> Pair:
        """Open the files and copy painted labels, so that painting can go on.

        Raises
        ------
        StorageError, InputError
            If a file cannot be read, or its labels have channels.
        """
        labels = self.labels
        if isinstance(labels, Path):
            labels = read_label_array(labels)
        elif isinstance(labels, np.ndarray):
            labels = labels.copy()
        if isinstance(self.image, Source):
            source = self.image
            return Pair(
                source.data,
                labels,
                self.role,
                source.name,
                source.axes,
                source.channel_axis,
                source.spacing,
                source.unit,
            )
        found = read_image(self.image)
        return Pair(
            found.array,
            labels,
            self.role,
            self.image.stem,
            found.axes,
            found.channel_axis,
            found.spacing,
            found.unit,
        )
