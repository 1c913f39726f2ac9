"""Resampling of image batches on the device where they are."""

from typing import TYPE_CHECKING, Literal

from napari_unet_studio.core.errors import ConfigError, InputError

if TYPE_CHECKING:
    from torch import Tensor

Order = Literal["cubic", "linear", "nearest"]


def pixel_coordinates(displacement: "Tensor") -> "Tensor":
    """Add its own position to every pixel of a displacement ``(N, ndim, *S)``."""
    import torch

    shape = displacement.shape[2:]
    axes = [
        torch.arange(size, device=displacement.device, dtype=displacement.dtype)
        for size in shape
    ]
    return displacement + torch.stack(torch.meshgrid(*axes, indexing="ij"))


def warp(x: "Tensor", coordinates: "Tensor", order: Order = "cubic") -> "Tensor":
    """Sample images at coordinates, on the device where they are.

    Parameters
    ----------
    x
        Images or labels, shape ``(N, C, *W)`` with two or three spatial axes. Of a
        floating type for "cubic" and "linear", of any type for "nearest".
    coordinates
        Where each output pixel comes from, in pixels of `x`, shape ``(N, ndim, *S)``;
        one field, ``N = 1``, serves all images.
    order
        "cubic", "linear" or "nearest".

    Returns
    -------
    Tensor
        Shape ``(N, C, *S)``, of the type of `x`.

    Notes
    -----
    Beyond the border the image is mirrored, without repeating the border pixel. "cubic"
    is Keys' convolution [1]_ with a = -0.75 in a plane; torch has none for volumes,
    which are sampled linearly instead. "nearest" copies pixels by integer index: every
    id of 64 bits stays what it is. Halfway between two pixels it takes the later one.
    Positions are float32, exact to about 1e-7 of the side of the image, except for
    float64 images.

    References
    ----------
    .. [1] Keys. Cubic convolution interpolation for digital image processing. IEEE
       Transactions on Acoustics, Speech, and Signal Processing 29, 1981.
    """
    ndim = x.ndim - 2
    fits = coordinates.ndim == x.ndim and coordinates.shape[1] == ndim
    if ndim not in (2, 3) or not fits or coordinates.shape[0] not in (1, x.shape[0]):
        raise InputError(
            f"Coordinates of shape {tuple(coordinates.shape)} do not fit images of "
            f"shape {tuple(x.shape)}; expected (N, C, *W) and (N, ndim, *S)."
        )
    coordinates = coordinates.expand(x.shape[0], *coordinates.shape[1:])
    if order == "nearest":
        return _pick(x, coordinates)
    if order not in ("cubic", "linear"):
        raise ConfigError(
            f'The interpolation is "{order}"; choose "cubic", "linear" or "nearest".'
        )
    if not x.is_floating_point():
        raise InputError(
            f"Images of type {x.dtype} cannot be interpolated; convert them to a "
            'floating type, or sample labels with the order "nearest".'
        )
    import torch
    from torch.nn.functional import grid_sample

    working = torch.promote_types(x.dtype, torch.float32)
    scaled = [
        coordinates[:, axis].to(working) * (2 / max(size - 1, 1)) - 1
        for axis, size in enumerate(x.shape[2:])
    ]
    sampled = grid_sample(
        x.to(working),
        torch.stack(scaled[::-1], dim=-1),  # (N, *S, ndim), last axis of x first
        mode="bicubic" if order == "cubic" and ndim == 2 else "bilinear",
        padding_mode="reflection",
        align_corners=True,
    )
    return sampled.to(x.dtype)


def _pick(x: "Tensor", coordinates: "Tensor") -> "Tensor":
    """Sample the nearest pixels, ``(N, C, *W)`` to ``(N, C, *S)``."""
    import torch

    index = torch.zeros_like(coordinates[:, 0], dtype=torch.int64)
    for axis, size in enumerate(x.shape[2:]):
        last = size - 1
        place = (coordinates[:, axis] + 0.5).floor().long().abs()
        place = place.remainder(max(2 * last, 1))
        index = index * size + torch.minimum(place, 2 * last - place)
    shape = (x.shape[0], x.shape[1], *coordinates.shape[2:])
    flat = index.flatten(1).unsqueeze(1).expand(-1, x.shape[1], -1)  # (N, C, pixels)
    return x.flatten(2).gather(2, flat).reshape(shape)
