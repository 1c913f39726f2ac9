"""Stained tissue: glands, stroma and lymphocytes under haematoxylin and eosin."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from napari_unet_studio.sample_data.blobs import Blob, crowd, random_blob
from napari_unet_studio.sample_data.drawing import draw
from napari_unet_studio.sample_data.fields import FloatArray, smooth_noise, to_uint8
from napari_unet_studio.sample_data.nuclei import chromatin, emit, random_stain
from napari_unet_studio.sample_data.sample import Sample, check_shape

# Optical densities of red, green and blue per unit of stain, close to those of Ruifrok
# and Johnston, Analytical and Quantitative Cytology and Histology 23, 2001; the eosin
# is a little less bluish.
HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
EOSIN = np.array([0.10, 0.93, 0.26])


@dataclass(frozen=True, eq=False)
class Gland:
    """A tube of epithelium, cut across.

    Parameters
    ----------
    centre
        Middle of the lumen, micrometres.
    lumen
        Radius of the lumen, micrometres.
    wall
        Height of the epithelial cells, micrometres.
    waves
        Rows ``(amplitude, wave number, phase)`` of the relative change with direction.
    """

    centre: FloatArray
    lumen: float
    wall: float
    waves: FloatArray

    def outline(self, angle: FloatArray) -> FloatArray:
        """Relative radius in each direction."""
        amplitude, number, phase = self.waves.T[..., None]
        return np.asarray(1 + (amplitude * np.sin(number * angle + phase)).sum(axis=0))

    def height(self, points: FloatArray) -> FloatArray:
        """Position in the wall, for points ``(2, ...)``: 0 at the lumen, 1 outside."""
        y, x = points - self.centre.reshape(2, *[1] * (points.ndim - 1))
        angle = np.arctan2(y, x)
        radius = np.hypot(y, x) / self.outline(angle.ravel()).reshape(angle.shape)
        return np.asarray((radius - self.lumen) / self.wall)


def tissue_rgb(shape: tuple[int, int] = (512, 512), seed: int = 0) -> Sample:
    """Make a bright-field image of tissue with purple nuclei on pink stroma.

    Parameters
    ----------
    shape
        Rows and columns; the image has a last axis of red, green and blue besides.
    seed
        Same seed, same image.

    Notes
    -----
    Each stain absorbs light after Beer and Lambert: a channel is the lamp times
    ``exp(-density * amount)``, multiplied over the stains.

    Examples
    --------
    >>> sample = tissue_rgb((128, 128), seed=1)
    >>> sample.image.shape, sample.labels.shape
    ((128, 128, 3), (128, 128))
    """
    check_shape(shape, "YX")
    rng = np.random.default_rng(seed)
    spacing = (0.25, 0.25)
    size = np.array(shape) * spacing
    glands = place_glands(rng, size)
    blobs = epithelium(rng, glands, size)
    blobs += stroma_cells(rng, glands, size, blobs)
    labels, drawn = draw(blobs, shape, spacing, visible=0.6, smallest=25)
    points = np.stack(np.meshgrid(*(np.arange(n) * 0.25 for n in shape), indexing="ij"))
    heights = np.min([gland.height(points) for gland in glands], axis=0)
    eosin, blue = background(rng, heights, shape)

    darkness = {"lymphocyte": 1.4, "fibroblast": 1.1, "epithelium": 0.85}
    stains = {}
    for number, item in drawn.items():
        stain = random_stain(rng, 2, darkness[item.blob.kind], 0.15)
        # Unlike a DNA dye, haematoxylin shows nucleoli dark, that is strongly stained.
        strength = np.abs(stain.spots[:, :1]) * np.minimum(item.blob.axes[0] / 3, 1)
        spots = np.hstack([strength, 0.7 * stain.spots[:, 1:2], stain.spots[:, 2:]])
        stains[number] = replace(stain, spots=spots, contrast=1.3 * stain.contrast)
    texture = chromatin(rng, 2, spacing)
    nuclear = emit(drawn, stains, texture, shape, spacing, flatness=1.25)
    inside = ndimage.gaussian_filter((labels > 0).astype(float), 0.8)
    eosin *= 1 - 0.4 * inside
    amounts = np.stack([nuclear + blue * (1 - inside), eosin], axis=-1)
    amounts = ndimage.gaussian_filter(amounts, (0.75, 0.75, 0))
    density = amounts @ np.stack([HAEMATOXYLIN, EOSIN])  # (Y, X, 3)
    image = np.array([243, 241, 244]) * np.exp(-density)
    image += rng.normal(0, 2.0, image.shape)
    return Sample("H&E tissue", to_uint8(image), labels, "YX", spacing, rgb=True)


def place_glands(rng: np.random.Generator, size: FloatArray) -> list[Gland]:
    """Place glands that do not overlap; some are cut by the border of the image."""
    glands: list[Gland] = []
    for _ in range(200):
        lumen, wall = rng.uniform(6, 16), rng.uniform(11, 15)
        centre = rng.uniform(-0.05, 1.05, 2) * size
        room = [
            np.linalg.norm(centre - g.centre) - g.lumen - g.wall - lumen - wall
            for g in glands
        ]
        if all(r > 6 for r in room):
            number = np.array([2, 3, 5])
            waves = np.column_stack(
                [rng.normal(0, 0.25, 3) / number, number, rng.uniform(0, 6.3, 3)]
            )
            glands.append(Gland(centre, lumen, wall, waves))
        if len(glands) >= max(1, round(size.prod() / 4500)):
            break
    return glands


def epithelium(
    rng: np.random.Generator, glands: list[Gland], size: FloatArray
) -> list[Blob]:
    """Line each gland with nuclei that stand on its outer border, side by side."""
    blobs: list[Blob] = []
    for gland in glands:
        angle = 0.0
        while angle < 2 * np.pi:
            short, long = rng.normal(2.7, 0.3), rng.normal(4.1, 0.4)
            level = rng.normal(0.66, 0.08) if rng.random() < 0.8 else 0.4
            relative = float(gland.outline(np.array([angle]))[0])
            radius = relative * (gland.lumen + level * gland.wall)
            way = np.array([np.sin(angle), np.cos(angle)])
            place = gland.centre + radius * way
            blob = random_blob(
                rng, (short, long), 0.035, 0.15, angle, kind="epithelium"
            )
            if np.all(place > -2) and np.all(place < size + 2):
                blobs.append(replace(blob, centre=place))
            angle += short * rng.uniform(1.35, 1.9) / radius
    return blobs


def stroma_cells(
    rng: np.random.Generator,
    glands: list[Gland],
    size: FloatArray,
    taken: list[Blob],
) -> list[Blob]:
    """Scatter clumps of lymphocytes and single fibroblasts between the glands.

    Parameters
    ----------
    rng
        Source of randomness.
    glands
        Where there is no stroma.
    size
        Extent of the image, micrometres.
    taken
        Nuclei that are there already.

    Returns
    -------
    list of Blob
        The new nuclei.
    """

    def outside(margin: float) -> Callable[[FloatArray], bool]:
        centres = np.array([blob.centre for blob in taken]).reshape(-1, 2)

        def free(place: FloatArray) -> bool:
            near = np.linalg.norm(centres - place, axis=1).min(initial=np.inf)
            high = min(float(gland.height(place)) for gland in glands)
            return high > 1 + margin and near > 3.5

        return free

    def lymphocyte() -> Blob:
        radius = rng.normal(2.9, 0.25)
        axes = (radius * rng.uniform(0.85, 1), radius)
        return random_blob(rng, axes, 0.03, 0.05, kind="lymphocyte")

    def fibroblast() -> Blob:
        axes = (rng.normal(1.25, 0.2), rng.normal(5.2, 0.9))
        return random_blob(rng, axes, 0.04, 0.4, kind="fibroblast")

    many, few = round(size.prod() / 190), round(size.prod() / 330)
    found = crowd(rng, size, many, 12, lymphocyte, (0.0, 0.12), outside(0.1))
    taken = taken + found
    for blob in crowd(rng, size, few, 1.2, fibroblast, (0.0, 0.1), outside(0.12)):
        heights = [float(gland.height(blob.centre)) for gland in glands]
        gland = glands[int(np.argmin(heights))]
        y, x = blob.centre - gland.centre
        angle = np.arctan2(y, x) + np.pi / 2 + rng.normal(0, 0.2)  # along the fibres
        turn = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        found.append(replace(blob, rotation=np.array(turn)))
    return found


def background(
    rng: np.random.Generator, heights: FloatArray, shape: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Stain everything but the nuclei.

    Parameters
    ----------
    rng
        Source of randomness.
    heights
        Position in the wall of the nearest gland: 0 at the lumen, 1 outside.
    shape
        Rows and columns.

    Returns
    -------
    eosin, haematoxylin
        Amounts of stain, shape ``shape``. Fibres run along the glands, with clefts.
    """
    fine, coarse = smooth_noise(rng, shape, 1.5), smooth_noise(rng, shape, 5)
    across = 26 * heights + 4.5 * smooth_noise(rng, shape, 30) + 0.5 * coarse
    profile = smooth_noise(rng, (4096,), 2.0)
    fibre = ndimage.map_coordinates(profile, across[None] * 3 + 2000, order=1)
    fibre = fibre * np.clip(1 + 0.6 * smooth_noise(rng, shape, 12), 0.1, None)
    cleft = np.clip(2.2 * (fibre + 0.7 * smooth_noise(rng, shape, 14) - 1.2), 0, 1)
    stroma = (0.42 + 0.09 * fibre + 0.04 * fine + 0.05 * coarse) * (1 - 0.9 * cleft)
    cells = 0.33 + 0.03 * fine + 0.04 * coarse
    secretion = 0.04 + 0.07 * np.clip(smooth_noise(rng, shape, 14), 0, None)

    def step(level: float, width: float) -> FloatArray:
        return np.asarray(1 / (1 + np.exp(-(heights - level) / width)))

    wall, outer = step(0, 0.03), step(1.08, 0.02)
    brush = 0.12 * np.exp(-0.5 * ((heights - 0.03) / 0.03) ** 2)
    membrane = 0.2 * np.exp(-0.5 * ((heights - 1.1) / 0.035) ** 2)
    eosin = (1 - wall) * secretion + (wall - outer) * cells + outer * stroma
    eosin += brush + membrane
    blue = 0.16 * (wall - outer) * (1 + 0.15 * coarse) + 0.03 * outer
    return np.maximum(eosin, 0), np.maximum(blue, 0)
