"""Deformed ellipses and ellipsoids, packed so that they touch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_unet_studio.sample_data.fields import FloatArray


@dataclass(frozen=True, eq=False)
class Blob:
    """A smooth closed shape: an ellipsoid that is bent and waved.

    All lengths are in the physical unit of the spacing, so that a shape looks the same
    on every grid.

    Parameters
    ----------
    centre
        Position, shape ``(ndim,)``.
    axes
        Half-lengths along the shape's own axes, shape ``(ndim,)``.
    rotation
        Orthogonal matrix ``(ndim, ndim)`` from image axes to the shape's own axes.
    waves
        Rows ``(amplitude, wave number, phase, direction...)`` of the relative change of
        the half-length with direction, shape ``(k, 3 + ndim)``.
    bend
        Curvature of the long (last) axis; 0 is straight, 0.4 a bean.
    kind
        What it stands for, where a sample mixes several kinds of cells.
    """

    centre: FloatArray
    axes: FloatArray
    rotation: FloatArray
    waves: FloatArray
    bend: float = 0.0
    kind: str = ""

    @property
    def extent(self) -> FloatArray:
        """Half-lengths of a box that holds the shape, with room for its waves."""
        turned = self.axes[:, None] * self.rotation
        return np.asarray(1.5 * np.linalg.norm(turned, axis=0))

    def local(self, points: FloatArray) -> FloatArray:
        """Turn positions ``(ndim, ...)`` into the frame of this shape."""
        offset = points - self.centre.reshape(-1, *[1] * (points.ndim - 1))
        return np.tensordot(self.rotation, offset, axes=1)

    def radius(self, local: FloatArray) -> FloatArray:
        """Distance from the centre, 1 on the outline, for ``local`` positions."""
        unit = local / self.axes.reshape(-1, *[1] * (local.ndim - 1))
        if self.bend:
            unit[0] += self.bend * (unit[-1] ** 2 - 0.3)
        length = np.sqrt((unit**2).sum(axis=0)) + 1e-9
        directions = np.tensordot(self.waves[:, 3:], unit / length, axes=1)
        outline = np.ones_like(length)
        for wave, cosine in zip(self.waves, directions, strict=True):
            amplitude, number, phase = wave[:3]
            outline += amplitude * np.sin(number * cosine + phase)
        return np.asarray(length / outline)


def random_blob(
    rng: np.random.Generator,
    axes: Sequence[float] | FloatArray,
    roughness: float = 0.06,
    bend: float = 0.0,
    angle: float | None = None,
    kind: str = "",
) -> Blob:
    """Make a randomly turned and deformed ellipsoid at the origin.

    Parameters
    ----------
    rng
        Source of randomness.
    axes
        Half-lengths, as many as dimensions.
    roughness
        Amplitude of each of the waves of the outline.
    bend
        Largest curvature of the long axis, to either side.
    angle
        Direction of the last axis in the plane, in radians from X towards Y; random
        if None. In three dimensions the shape is turned around Z, then tilted a little.
    kind
        What the shape stands for.
    """
    ndim = len(axes)
    turn = rng.uniform(0, 2 * np.pi) if angle is None else angle
    rotation = np.eye(ndim)
    rotation[-2:, -2:] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    if ndim == 3:
        tilt = rng.normal(0, 0.5)
        tilting = np.eye(3)
        tilting[::2, ::2] = [
            [np.cos(tilt), -np.sin(tilt)],
            [np.sin(tilt), np.cos(tilt)],
        ]
        rotation = tilting @ rotation
    count = 5
    directions = rng.standard_normal((count, ndim))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    waves = np.column_stack(
        [
            rng.normal(0, roughness, count),
            rng.uniform(1.5, 6.0, count),
            rng.uniform(0, 2 * np.pi, count),
            directions,
        ]
    )
    curvature = rng.uniform(-bend, bend)
    return Blob(
        np.zeros(ndim), np.asarray(axes, float), rotation, waves, curvature, kind
    )


def crowd(
    rng: np.random.Generator,
    size: FloatArray,
    count: int,
    cluster: float,
    shape: Callable[[], Blob],
    overlap: tuple[float, float] = (0.04, 0.12),
    allowed: Callable[[FloatArray], bool] | None = None,
) -> list[Blob]:
    """Pack shapes into clusters in which each touches at least one other.

    A cluster starts at a free random place. Each further shape is pushed against a
    member of the cluster, on the free side nearest to the middle of the cluster.

    Parameters
    ----------
    rng
        Source of randomness.
    size
        Extent of the image, physical, shape ``(ndim,)``. Centres stay inside.
    count
        How many shapes to place at most; fewer if there is no more room.
    cluster
        Mean number of shapes per cluster.
    shape
        Makes the next shape, at the origin.
    overlap
        Range of how far neighbours are pushed into each other, as a share of the
        distance at which they would just touch.
    allowed
        Whether a centre may be at a position; everywhere if None.
    """
    placed: list[Blob] = []
    centres, stretch = np.empty((0, len(size))), np.empty((0, len(size), len(size)))
    start = 0
    for _ in range(count):
        blob = shape()
        own = blob.rotation / blob.axes[:, None]
        if len(placed) == start or rng.random() < 1 / cluster:
            start = len(placed)
            places = rng.uniform(0, size, (30, len(size)))
        else:
            members = rng.integers(start, len(placed), 30)
            ways = rng.standard_normal((30, len(size)))
            ways /= np.linalg.norm(ways, axis=1, keepdims=True)
            reach = _reach(stretch[members], ways) + _reach(own[None], ways)
            push = 1 - rng.uniform(*overlap, 30)
            places = centres[members] + ways * (reach * push)[:, None]
            middle = centres[start:].mean(axis=0)
            places = places[np.argsort(np.linalg.norm(places - middle, axis=1))]
        for place in places:
            if np.any(place < 0) or np.any(place > size):
                continue
            if allowed is not None and not allowed(place):
                continue
            gaps = centres - place
            distance = np.linalg.norm(gaps, axis=1) + 1e-9
            ways = gaps / distance[:, None]
            reach = _reach(stretch, ways) + _reach(own[None], ways)
            if np.all(distance >= reach * (1 - overlap[1] - 1e-6)):
                placed.append(replace(blob, centre=place))
                centres = np.vstack([centres, place])
                stretch = np.concatenate([stretch, own[None]])
                break
    return placed


def _reach(stretch: FloatArray, ways: FloatArray) -> FloatArray:
    """Half-lengths of ellipsoids, shape ``(n,)``, along unit vectors ``(n, ndim)``."""
    return np.asarray(1 / np.linalg.norm((stretch * ways[:, None]).sum(-1), axis=-1))
