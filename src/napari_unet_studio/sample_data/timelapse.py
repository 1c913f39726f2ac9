"""Time-lapse: nuclei that push, drift and divide while they stay in contact."""

from dataclasses import dataclass, replace

import numpy as np

from napari_unet_studio.sample_data.blobs import Blob, crowd, random_blob
from napari_unet_studio.sample_data.drawing import draw
from napari_unet_studio.sample_data.fields import (
    FloatArray,
    expose,
    illumination,
    smooth_noise,
)
from napari_unet_studio.sample_data.nuclei import (
    Stain,
    blur,
    chromatin,
    emit,
    random_stain,
)
from napari_unet_studio.sample_data.sample import Sample, check_shape


@dataclass(eq=False)
class Cell:
    """A moving nucleus.

    Parameters
    ----------
    number
        Its id, never given to another cell.
    blob
        Its shape in interphase, at its present place.
    stain
        How it looks in interphase.
    velocity
        Micrometres per frame.
    birth
        Frame in which its mother divided; far in the past for the first cells.
    division
        Frame in which it is replaced by its daughters; far in the future for most.
    """

    number: int
    blob: Blob
    stain: Stain
    velocity: FloatArray
    birth: int = -99
    division: int = 10_000


# Frames from division: short and long half-length as a share of the radius of the
# nucleus in interphase, then brightness. Before: prophase, metaphase plate.
BEFORE = {-2: (0.92, 0.95, 1.35), -1: (0.45, 0.9, 2.2)}
AFTER = {0: (0.45, 0.85, 2.0), 1: (0.62, 0.9, 1.55), 2: (0.8, 0.95, 1.2)}


def nuclei_timelapse(
    shape: tuple[int, int, int] = (10, 256, 256), seed: int = 0
) -> Sample:
    """Make a time-lapse of crowded nuclei, ten minutes between frames.

    Parameters
    ----------
    shape
        Frames, rows and columns.
    seed
        Same seed, same images.

    Notes
    -----
    An id belongs to one cell in all its frames. A cell that divides ends with the
    frame of its metaphase plate; its two daughters have new ids from the next frame.

    Examples
    --------
    >>> sample = nuclei_timelapse((3, 96, 96), seed=1)
    >>> sample.axes, sample.spacing
    ('TYX', (600.0, 0.4, 0.4))
    """
    check_shape(shape, "TYX")
    rng = np.random.default_rng(seed)
    spacing = (0.4, 0.4)
    plane = (shape[1], shape[2])
    cells = first_cells(rng, np.array(plane) * spacing, shape[0])
    texture = chromatin(rng, 2, spacing)
    lamp = illumination(rng, plane, 0.08, 0.2)
    cytoplasm = 7 * (1 + 0.25 * smooth_noise(rng, plane, 15))
    image = np.zeros(shape, np.uint16)
    labels = np.zeros(shape, np.int32)
    for frame in range(shape[0]):
        if frame:
            cells = divide(rng, cells, frame)
            move(rng, cells)
        shown = [appearance(cell, frame) for cell in cells]
        labels[frame], drawn = draw(
            [blob for blob, _ in shown],
            plane,
            spacing,
            visible=0.0,
            smallest=1,
            ids=[cell.number for cell in cells],
        )
        stains = {c.number: s for c, (_, s) in zip(cells, shown, strict=True)}
        light = emit(drawn, stains, texture, plane, spacing, flatness=0.5)
        light = blur(light, (1.0, 1.0), haze=0.2) * np.exp(-frame / 35)
        light = (light + cytoplasm) * lamp
        image[frame] = expose(rng, light, gain=16, offset=110, read_noise=22)
    return Sample("Dividing nuclei", image, labels, "TYX", (600.0, *spacing))


def first_cells(rng: np.random.Generator, size: FloatArray, frames: int) -> list[Cell]:
    """Seed the culture; one cell in twelve will divide after the first two frames."""

    def nucleus() -> Blob:
        length = rng.normal(6.0, 0.6)
        return random_blob(rng, (length * rng.uniform(0.7, 0.95), length), 0.025, 0.12)

    count = max(3, round(size.prod() / 190))
    blobs = crowd(rng, size, count, 12, nucleus, overlap=(0.0, 0.08))
    cells = [
        Cell(number, blob, random_stain(rng, 2, 170), rng.normal(0, 0.5, 2))
        for number, blob in enumerate(blobs, start=1)
    ]
    if frames > 2:
        middle = sorted(cells, key=lambda c: float(abs(c.blob.centre - size / 2).max()))
        for cell in middle[::2][: max(1, len(cells) // 12)]:
            cell.division = int(rng.integers(2, frames))
    return cells


def divide(rng: np.random.Generator, cells: list[Cell], frame: int) -> list[Cell]:
    """Replace each cell whose time has come by two daughters, side by side."""
    number = max(cell.number for cell in cells)
    following: list[Cell] = []
    for cell in cells:
        if frame != cell.division:
            following.append(cell)
            continue
        way = cell.blob.rotation[0]  # across the metaphase plate
        for side in (-1, 1):
            number += 1
            daughter = random_blob(rng, cell.blob.axes * 0.84, 0.025)
            daughter = replace(
                daughter,
                centre=cell.blob.centre + side * 0.4 * cell.blob.axes.mean() * way,
                rotation=cell.blob.rotation,
            )
            stain = random_stain(rng, 2, 1.0)
            stain = replace(stain, brightness=cell.stain.brightness * 0.9)
            speed = cell.velocity + side * 1.5 * way
            following.append(Cell(number, daughter, stain, speed, birth=frame))
    return following


def move(rng: np.random.Generator, cells: list[Cell], steps: int = 6) -> None:
    """Advance all cells by one frame, in place.

    Velocity persists and fluctuates. Two cells closer than contact push each other
    apart, two a little further apart attract each other, so that clusters hold.

    Parameters
    ----------
    rng
        Source of randomness.
    cells
        The cells to move and to turn.
    steps
        Steps per frame.
    """
    size = np.array([cell.blob.axes.mean() for cell in cells])
    contact = (size[:, None] + size) * 0.92
    centres = np.array([cell.blob.centre for cell in cells])
    speed = np.array([cell.velocity for cell in cells])
    for _ in range(steps):
        speed = 0.93 * speed + rng.normal(0, 0.16, speed.shape)
        gaps = centres[:, None] - centres
        distance = np.linalg.norm(gaps, axis=-1) + np.eye(len(cells)) * 1e9
        overlap = contact - distance
        force = np.where(overlap > 0, 0.3 * overlap, 0.06 * overlap)
        force[overlap < -0.3 * contact] = 0
        push = (gaps / distance[..., None] * force[..., None]).sum(axis=1)
        centres = centres + speed / steps + push
    for cell, centre, velocity in zip(cells, centres, speed, strict=True):
        angle = rng.normal(0, 0.08)
        turn = np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        )
        waves = cell.blob.waves.copy()
        waves[:, 2] += rng.normal(0, 0.3, len(waves))
        cell.velocity = velocity
        cell.blob = replace(
            cell.blob, centre=centre, rotation=turn @ cell.blob.rotation, waves=waves
        )


def appearance(cell: Cell, frame: int) -> tuple[Blob, Stain]:
    """Shape and stain of a cell in a frame, condensed around divisions."""
    phase = BEFORE.get(frame - cell.division) or AFTER.get(frame - cell.birth)
    if phase is None:
        return cell.blob, cell.stain
    short, long, brightness = phase
    axes = np.full(2, np.sqrt(cell.blob.axes.prod())) * (short, long)
    blob = replace(cell.blob, axes=axes, bend=0.0)
    stain = replace(
        cell.stain,
        brightness=cell.stain.brightness * brightness,
        spots=cell.stain.spots[:0],
        contrast=0.12,
    )
    return blob, stain
