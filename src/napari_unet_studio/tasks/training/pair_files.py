"""Training pairs from files and folders."""

from pathlib import Path

from napari_unet_studio.io.folders import find_pairs
from napari_unet_studio.io.images import read_image, read_label_array
from napari_unet_studio.tasks.training.pairs import Pair, Role


def read_pairs(
    images: str | Path, labels: str | Path, role: Role = "train"
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

    Raises
    ------
    InputError
        If an image has no labels, or several, or a file is no such thing.
    """
    pairs = []
    for image_path, labels_path in find_pairs(Path(images), Path(labels)):
        image = read_image(image_path)
        pairs.append(
            Pair(
                image.array,
                read_label_array(labels_path),
                role,
                image_path.stem,
                image.axes,
                image.channel_axis,
                image.spacing,
            )
        )
    return pairs
