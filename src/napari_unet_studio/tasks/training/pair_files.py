"""Training pairs from files and folders."""

from collections.abc import Sequence
from pathlib import Path

from napari_unet_studio.io.image_file import described
from napari_unet_studio.io.images import read_image, read_label_array
from napari_unet_studio.io.pairs import find_pairs
from napari_unet_studio.tasks.training.pairs import Pair, Role


def read_pairs(
    images: str | Path,
    labels: str | Path,
    role: Role = "train",
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
) -> list[Pair]:
    """Read images with labels as training pairs; large ones stay in their files.

    Parameters
    ----------
    images
        An image, or a folder of them.
    labels
        Its labels, or a folder with files of the same names.
    role
        Of all of them.
    axes, spacing
        Of all images, instead of what their files say; see :func:`.described`.

    Raises
    ------
    InputError
        If an image has no labels, or several, or a file is no such thing.
    """
    pairs = []
    for image_path, labels_path in find_pairs([Path(images)], Path(labels)):
        image = described(read_image(image_path), axes, spacing)
        pairs.append(
            Pair(
                image.array,
                read_label_array(labels_path),
                role,
                image_path.stem,
                image.axes,
                image.channel_axis,
                image.spacing,
                image.unit,
            )
        )
    return pairs
