"""Draws the pictures of real data of the pages on weight maps and deformation.

Run ``python docs/pictures.py DATA`` with the folder of the test data; the pictures go
to ``docs/images``. Only labels and what is computed from them are drawn, but for the
nuclei, whose images are in the public domain (CC0).
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.colormaps import ensure_colormap
from numpy.typing import NDArray
from PIL import Image

from napari_unet_studio.core.deform import coarse_displacement, elastic_deform
from napari_unet_studio.core.displacement import dense_displacement
from napari_unet_studio.core.picture import captioned, outlined
from napari_unet_studio.core.weights import separation_weights
from napari_unet_studio.io.images import read_image, read_labels

SIDE = 264  # of a panel, in pixels
GAP = 6
IMAGES = Path(__file__).parent / "images"
Picture = NDArray[np.uint8]


def coloured(plane: NDArray[np.float32], top: float) -> Picture:
    """Return weights from 0 to `top` as napari shows them."""
    colors = ensure_colormap("inferno").map(np.clip(plane.ravel() / top, 0, 1))
    rgb: Picture = (colors[:, :3] * 255).astype(np.uint8).reshape((*plane.shape, 3))
    return rgb


def of_objects(labels: NDArray[Any]) -> Picture:
    """Return objects in grey with outlines in colour."""
    grey = np.where(labels > 0, 90, 25).astype(np.uint8)
    return outlined(np.repeat(grey[..., None], 3, axis=2), labels)


def panel(picture: Picture, text: str = "") -> Picture:
    """Return a picture in the size of a panel."""
    scaled = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    done = np.asarray(scaled)
    return captioned(done, text) if text else done


def put_together(rows: list[list[Picture]]) -> Image.Image:
    """Return panels side by side in rows."""
    across = np.full((SIDE, GAP, 3), 255, np.uint8)
    lines = []
    for row in rows:
        parts = [part for each in row for part in (each, across)][:-1]
        lines += [np.concatenate(parts, axis=1)]
    down = np.full((GAP, lines[0].shape[1], 3), 255, np.uint8)
    parts = [part for each in lines for part in (each, down)][:-1]
    return Image.fromarray(np.concatenate(parts))


def crowded(found: NDArray[np.float32], side: int) -> tuple[slice, slice]:
    """Return the square of a plane with the most weight."""
    corners = [
        (y, x)
        for y in range(0, max(1, found.shape[0] - side), side // 4)
        for x in range(0, max(1, found.shape[1] - side), side // 4)
    ]
    y, x = max(
        corners, key=lambda c: found[c[0] : c[0] + side, c[1] : c[1] + side].sum()
    )
    return slice(y, y + side), slice(x, x + side)


def weights(data: Path) -> Image.Image:
    """Return labels of four kinds above their weight maps."""
    nuclei = max(
        (read_labels(path) for path in (data / "nuclei_dsb2018/val/labels").iterdir()),
        key=lambda labels: int(labels.max()) * (labels.shape == (256, 256)),
    )
    u373 = read_labels(sorted((data / "phase_u373/train/labels").iterdir())[0])
    psc = read_labels(sorted((data / "phase_psc/train/labels").iterdir())[-1])
    embryo = read_labels(sorted((data / "embryo_3d/train/labels").iterdir())[-1])
    columns = []
    kinds = (
        ("nuclei", nuclei, 132, 5.0),
        ("cells (U373), sigma 15", u373, 264, 15.0),
        ("cells (PSC)", psc, 132, 5.0),
        ("nuclei of an embryo, 3D", embryo, 88, 5.0),
    )
    for name, labels, side, sigma in kinds:
        found = separation_weights(
            labels, sigma=sigma, balance="none", gap=1, inside=False
        )
        if labels.ndim == 3:  # weighed as a volume, shown as its busiest section
            z = int(found.sum((1, 2)).argmax())
            labels, found = labels[z], found[z]
        part = crowded(found, side)
        columns.append(
            [
                panel(of_objects(labels[part]), name),
                panel(coloured(found[part], 11.0)),
            ]
        )
    return put_together([list(row) for row in zip(*columns, strict=True)])


def _is_small(path: Path) -> bool:
    return bool(read_image(path).array.shape == (256, 256))


def deformation(data: Path) -> Image.Image:
    """Return nuclei before and after, with the grid that shows how they moved."""
    folder = data / "nuclei_dsb2018" / "val"
    path = max(
        (p for p in (folder / "images").iterdir() if _is_small(p)),
        key=lambda p: int(read_labels(folder / "labels" / p.name).max()),
    )
    image = np.asarray(read_image(path).array)
    labels = read_labels(folder / "labels" / path.name)
    lines = np.zeros(image.shape, np.float32)
    lines[::16], lines[:, ::16] = 1, 1
    row = [panel(outlined(image, labels), "before")]
    for sigma in (6.0, 10.0):
        moved, ids = elastic_deform(image, labels, sigma=sigma, seed=7)
        picture = outlined(moved, ids)
        bent = elastic_deform(lines, sigma=sigma, seed=7, interpolation="linear")
        faint = 0.7 * bent.clip(0, 1)[..., None]
        picture = (picture * (1 - faint) + (0, 229, 255) * faint).astype(np.uint8)
        row.append(panel(picture, f"3 x 3 vectors, {sigma:g} px"))
    field = dense_displacement(coarse_displacement(2, 3, 10.0, 7), image.shape)
    length = np.sqrt(np.square(field).sum(axis=0))
    row.append(panel(coloured(length, 20.0), f"moved by up to {length.max():.0f} px"))
    return put_together([row])


def main() -> None:
    """Draw all pictures."""
    data = Path(sys.argv[1])
    for name, draw in (("weights-real", weights), ("deformation-real", deformation)):
        draw(data).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
