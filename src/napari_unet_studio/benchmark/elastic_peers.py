"""Other ways to deform an image and its labels, as they are written elsewhere.

Each function takes a sample and returns the function to measure, which computes the
field and samples the image, cubic in a plane unless its name says otherwise, and the
labels at the nearest pixel. Where a library can take it, the field is that of this
package.
"""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.displacement import coarse_displacement, spline_basis

GRID, SIGMA, SEED = 3, 10.0, 0  # as the paper: 3 x 3 points, 10 pixels


class Deformed(NamedTuple):
    """An image and its labels; `alike` where their field is that of this package."""

    image: Any  # an array, or a tensor
    labels: Any
    alike: bool = False


@dataclass(frozen=True)
class Sample:
    """What is deformed: shapes ``(Y, X)`` or ``(Z, Y, X)``."""

    image: NDArray[np.float32]
    labels: NDArray[np.int32]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image."""
        return self.image.shape

    def vectors(self) -> NDArray[np.float32]:
        """Return the vectors at the points of the grid."""
        return coarse_displacement(self.image.ndim, GRID, SIGMA, SEED)


Work = Callable[[], Deformed]


def matrix_field(vectors: NDArray[np.float32], shape: Sequence[int]) -> NDArray[Any]:
    """Return the position of each pixel's source by products with small matrices."""
    field: NDArray[Any] = vectors
    for axis, size in enumerate(shape, start=1):
        basis = spline_basis(vectors.shape[axis], size).astype(np.float32)
        field = np.moveaxis(np.moveaxis(field, axis, -1) @ basis.T, -1, axis)
    return _positions(field, shape)


def zoomed_field(vectors: NDArray[np.float32], shape: Sequence[int]) -> NDArray[Any]:
    """Return the same of the splines that scipy's zoom fits, another field."""
    from scipy.ndimage import zoom

    factors = [
        size / points for size, points in zip(shape, vectors.shape[1:], strict=True)
    ]
    field = np.stack([zoom(component, factors, order=3) for component in vectors])
    return _positions(field, shape)


def scipy_zoom(sample: Sample) -> Work:
    """Sample with splines of order 3, the field by zoom."""

    def work() -> Deformed:
        where = zoomed_field(sample.vectors(), sample.shape)
        return Deformed(*_map_coordinates(sample, where, 3))

    return work


def scipy_matrix(sample: Sample) -> Work:
    """Sample with splines of order 3, or order 1 in a volume, the field by products."""
    order = 3 if sample.image.ndim == 2 else 1

    def work() -> Deformed:
        where = matrix_field(sample.vectors(), sample.shape)
        return Deformed(*_map_coordinates(sample, where, order), alike=True)

    return work


def elasticdeform(sample: Sample) -> Work:
    """Deform by the library of that name: order 3, or order 1 in a volume."""
    from elasticdeform import deform_grid

    order = 3 if sample.image.ndim == 2 else 1

    def work() -> Deformed:
        pair = [sample.image, sample.labels]
        moved = deform_grid(pair, sample.vectors(), order=[order, 0], mode="mirror")
        return Deformed(*moved)

    return work


def monai(sample: Sample) -> Work:
    """Deform by MONAI: bicubic with torch in a plane, linear in a volume."""
    from monai.transforms.spatial.dictionary import Rand2DElasticd, Rand3DElasticd

    keys = ("image", "labels")
    transform: Any
    if sample.image.ndim == 2:
        rows, columns = sample.shape
        spacing = rows / (GRID - 1), columns / (GRID - 1)
        modes = ("bicubic", "nearest")
        transform = Rand2DElasticd(keys, spacing, (SIGMA, SIGMA), prob=1, mode=modes)
    else:
        modes = ("bilinear", "nearest")
        # The numbers of MONAI's own example: smoothed noise, which is much weaker.
        transform = Rand3DElasticd(keys, (5, 8), (100, 200), prob=1, mode=modes)
    transform.set_random_state(SEED)

    def work() -> Deformed:
        moved = transform({"image": sample.image[None], "labels": sample.labels[None]})
        return Deformed(*(np.asarray(moved[key])[0] for key in keys))

    return work


def albumentations(sample: Sample) -> Work:
    """Deform by albumentations: cubic, with noise smoothed by a Gaussian filter."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import albumentations
    import cv2

    transform = albumentations.ElasticTransform(
        alpha=300, sigma=SIGMA, interpolation=cv2.INTER_CUBIC, p=1
    )

    def work() -> Deformed:
        moved = transform(image=sample.image, mask=sample.labels)
        return Deformed(moved["image"], moved["mask"])

    return work


def opencv_remap(sample: Sample) -> Work:
    """Sample with OpenCV's cubic remap, the field by products."""
    import cv2

    labels = sample.labels.astype(np.uint16)  # remap takes no larger integers

    def work() -> Deformed:
        y, x = matrix_field(sample.vectors(), sample.shape)
        border = cv2.BORDER_REFLECT_101
        image = cv2.remap(sample.image, x, y, cv2.INTER_CUBIC, borderMode=border)
        moved = cv2.remap(labels, x, y, cv2.INTER_NEAREST, borderMode=border)
        return Deformed(np.asarray(image), np.asarray(moved), alike=True)

    return work


def torch_grid_sample(sample: Sample) -> Work:
    """Sample with torch, bicubic or linear in a volume, the field by products."""
    import torch
    from torch.nn.functional import grid_sample

    shape = sample.shape
    image = torch.from_numpy(sample.image)[None, None]
    labels = torch.from_numpy(sample.labels.astype(np.float32))[None, None]
    mode = "bicubic" if sample.image.ndim == 2 else "bilinear"

    def work() -> Deformed:
        with torch.inference_mode():
            field = torch.from_numpy(sample.vectors())
            for axis, size in enumerate(shape, start=1):
                basis = spline_basis(GRID, size).astype(np.float32)
                field = field.movedim(axis, -1) @ torch.from_numpy(basis).T
                field = field.movedim(-1, axis)
            components = []
            for axis, size in enumerate(shape):
                steps = torch.arange(size, dtype=torch.float32)
                steps = steps.view([-1 if a == axis else 1 for a in range(len(shape))])
                components.append((field[axis] + steps) * (2 / (size - 1)) - 1)
            grid = torch.stack(components[::-1], dim=-1)[None]
            options: dict[str, Any] = {
                "padding_mode": "reflection",
                "align_corners": True,
            }
            moved = grid_sample(image, grid, mode=mode, **options)
            ids = grid_sample(labels, grid, mode="nearest", **options)
        return Deformed(moved[0, 0].numpy(), ids[0, 0].numpy(), alike=True)

    return work


def _positions(field: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    for axis, size in enumerate(shape):
        sides = [-1 if a == axis else 1 for a in range(len(shape))]
        field[axis] += np.arange(size, dtype=np.float32).reshape(sides)
    return field


def _map_coordinates(
    sample: Sample, where: NDArray[Any], order: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    from scipy.ndimage import map_coordinates

    image = map_coordinates(sample.image, where, order=order, mode="mirror")
    labels = map_coordinates(sample.labels, where, order=0, mode="mirror")
    return image, labels
