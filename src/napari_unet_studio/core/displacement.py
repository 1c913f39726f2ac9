"""Displacement fields: random vectors on a coarse grid, smooth in between.

A displacement ``u`` pulls back: ``output(x) = input(x + u(x))``, in pixels, with one
component per axis in the order of the axes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.config import Config
from napari_unet_studio.core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, device, dtype

Interpolation = Literal["cubic", "linear"]
SMALL_PRODUCT = 1 << 17  # multiplications for which no BLAS library wakes its threads
Field = TypeVar("Field", "NDArray[np.float32]", "NDArray[np.float64]", "Tensor")


@dataclass(frozen=True)
class DeformConfig(Config):
    """How an image is deformed elastically.

    Parameters
    ----------
    grid
        Points of the coarse grid along each axis; more points make finer waves.
    sigma
        Standard deviation of the displacement at a point of the grid, in pixels of the
        finest axis.
    seed
        Number of the random draw; the same number gives the same deformation.
    interpolation
        Cubic keeps edges of a plane sharper, linear never leaves the range of grey
        values. Volumes are always sampled linearly: torch has no cubic for them.
    """

    grid: Annotated[int, {"min": 2, "max": 100}] = 3
    sigma: Annotated[float, {"min": 0.0, "max": 1000.0, "step": 0.5}] = 10.0
    seed: Annotated[int, {"min": 0, "max": 2**31 - 1}] = 0
    interpolation: Interpolation = "cubic"


def coarse_displacement(
    ndim: int,
    grid: int = 3,
    sigma: float = 10.0,
    seed: int = 0,
    spacing: Sequence[float] | None = None,
) -> NDArray[np.float32]:
    """Draw Gaussian displacement vectors on a coarse grid.

    Parameters
    ----------
    ndim
        Number of spatial axes.
    grid
        Points along each axis, at least 2.
    sigma
        Standard deviation of each component, in pixels of the finest axis.
    seed
        Of numpy's generator: the same vectors on every device.
    spacing
        Distance of neighbouring pixels per axis. A coarse axis is displaced by fewer
        pixels, so that the deformation is alike in all directions of space.

    Returns
    -------
    ndarray
        Shape ``(ndim, *[grid] * ndim)``, in pixels of each axis.

    Examples
    --------
    >>> coarse_displacement(2, seed=1).shape
    (2, 3, 3)
    """
    if ndim not in (2, 3):
        raise InputError(f"Deformation works in 2 or 3 dimensions, not in {ndim}.")
    config = DeformConfig(grid, sigma, seed)
    steps = np.ones(ndim) if spacing is None else np.asarray(spacing, float)
    if steps.shape != (ndim,) or not (np.isfinite(steps) & (steps > 0)).all():
        raise InputError(
            f"The spacing {spacing} does not fit an image with {ndim} axes; give one "
            "finite distance above 0 per axis."
        )
    generator = np.random.default_rng(config.seed)
    vectors = generator.normal(0, config.sigma, (ndim, *[config.grid] * ndim))
    per_axis = (steps.min() / steps).reshape((ndim,) + (1,) * ndim)
    scaled: NDArray[np.float32] = (vectors * per_axis).astype(np.float32)
    return scaled


def dense_displacement(coarse: Field, shape: Sequence[int]) -> Field:
    """Interpolate coarse displacement vectors for every pixel.

    Parameters
    ----------
    coarse
        Array or tensor, shape ``(ndim, *grid)`` or, for a batch, ``(N, ndim, *grid)``,
        in pixels of the result; two points per axis or more.
    shape
        Spatial shape of the result.

    Returns
    -------
    ndarray or Tensor
        Shape ``(ndim, *shape)`` or ``(N, ndim, *shape)``, of the type and on the device
        of `coarse`.

    Notes
    -----
    The points lie evenly from the centre of the first pixel of an axis to that of its
    last. The field passes through them: it is the tensor product of natural cubic
    splines, twice continuously differentiable, a straight line where there are two
    points. The paper says bicubic interpolation and no more. Each axis is one product
    with a small matrix.

    Examples
    --------
    >>> dense_displacement(np.array([[[0.0, 4.0]] * 2] * 2), (2, 5))[0, 0]
    array([0., 1., 2., 3., 4.])
    """
    ndim = len(shape)
    sizes = tuple(coarse.shape)
    if len(sizes) not in (ndim + 1, ndim + 2) or sizes[-ndim - 1] != ndim:
        raise InputError(
            f"Displacement vectors of shape {sizes} do not fit an image of shape "
            f"{tuple(shape)}; expected ({ndim}, *grid) or (N, {ndim}, *grid)."
        )
    if min(sizes[-ndim:]) < 2 or min(shape) < 1:
        raise InputError(
            f"A grid of {sizes[-ndim:]} points cannot fill an image of shape "
            f"{tuple(shape)}; both need a size, the grid at least 2 points per axis."
        )
    field: Any = coarse
    lead: tuple[int, ...] = sizes[:-ndim]
    points: tuple[int, ...] = sizes[-ndim:]
    basis: Any
    for axis in range(ndim):
        if isinstance(field, np.ndarray):
            basis = spline_basis(points[axis], shape[axis]).astype(field.dtype)
        else:
            basis = _basis_tensor(points[axis], shape[axis], field.device, field.dtype)
        rest: tuple[int, ...] = points[axis + 1 :]
        if rest:
            field = basis @ field.reshape((*lead, points[axis], prod(rest)))
        else:
            field = _along_rows(field.reshape((-1, points[axis])), basis)
        lead = (*lead, shape[axis])
        field = field.reshape((*lead, *rest))
    return field  # type: ignore[no-any-return]


def _along_rows(rows: Any, basis: Any) -> Any:
    """Multiply (rows, points) with the basis of the last axis."""
    if not isinstance(rows, np.ndarray):
        return rows @ basis.T
    result = np.empty((len(rows), len(basis)), rows.dtype)
    step = max(1, SMALL_PRODUCT // basis.size)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        np.matmul(rows[part], basis.T, out=result[part])
    return result


@lru_cache(maxsize=64)
def spline_basis(points: int, size: int) -> NDArray[np.float64]:
    """Return the matrix ``(size, points)`` that interpolates along one axis.

    A natural cubic spline through `points` values, evaluated at `size` pixels from the
    first to the last value; the middle for a single pixel.
    """
    values = np.eye(points)
    bend = np.zeros((points, points))  # second derivatives, 0 at both ends
    if points > 2:
        inner = points - 2
        system = 4 * np.eye(inner) + np.eye(inner, k=1) + np.eye(inner, k=-1)
        bend[1:-1] = np.linalg.solve(system, 6 * np.diff(values, 2, axis=0))
    last = points - 1
    where = np.linspace(0, last, size) if size > 1 else np.array([last / 2])
    left = np.minimum(where.astype(int), last - 1)
    t = (where - left)[:, None]
    s = 1 - t
    basis: NDArray[np.float64] = s * values[left] + t * values[left + 1]
    basis += ((s**3 - s) * bend[left] + (t**3 - t) * bend[left + 1]) / 6
    basis.setflags(write=False)
    return basis


@lru_cache(maxsize=64)
def _basis_tensor(points: int, size: int, device: "device", dtype: "dtype") -> "Tensor":
    import torch

    with torch.inference_mode(False):  # a kept tensor has to serve training too
        basis = torch.from_numpy(spline_basis(points, size).copy())
        return basis.to(device=device, dtype=dtype)


def folding(displacement: "ArrayLike | Tensor") -> float:
    """Return the share of pixels where a deformation folds the image over itself.

    Parameters
    ----------
    displacement
        Array or tensor, shape ``(ndim, *S)``, in pixels.

    Notes
    -----
    A pixel folds where the determinant of the Jacobian of ``x + u(x)`` is not positive.
    The derivatives are central differences, one-sided at the border.

    Examples
    --------
    >>> folding(np.zeros((2, 8, 8)))
    0.0
    """
    if not isinstance(displacement, np.ndarray) and hasattr(displacement, "detach"):
        displacement = displacement.detach().cpu().numpy()
    field = np.asarray(displacement, float)
    ndim = field.ndim - 1
    if field.ndim < 2 or len(field) != ndim:
        raise InputError(
            f"A displacement of shape {field.shape} has no component per axis; "
            "expected (ndim, *S)."
        )
    jacobian = np.zeros((*field.shape[1:], ndim, ndim))
    for i in range(ndim):
        for j in range(ndim):
            if field.shape[1 + j] > 1:
                jacobian[..., i, j] = np.gradient(field[i], axis=j)
        jacobian[..., i, i] += 1
    return float(np.mean(np.linalg.det(jacobian) <= 0))
