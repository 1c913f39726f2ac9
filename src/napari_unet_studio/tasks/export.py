"""Writing a model for other programs, compared with ours before it is kept."""

import copy
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import ConfigError, InputError
from napari_unet_studio.core.networks.architecture import architecture_source
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io.atomic import atomic_write, check_writable
from napari_unet_studio.io.bioimageio_tensors import smallest_input
from napari_unet_studio.io.bioimageio_write import (
    ONNX,
    SCRIPT,
    SOURCE,
    STATE,
    Package,
    check_licence,
    write_package,
)
from napari_unet_studio.io.extras import require
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.model_facts import KEY, Reference, about
from napari_unet_studio.io.onnx_file import onnx_bytes
from napari_unet_studio.io.shared_card import shared_card
from napari_unet_studio.io.state_file import check_own_source, state_bytes
from napari_unet_studio.io.torchscript_file import torchscript_bytes
from napari_unet_studio.tasks.export_about import (
    filled,
    missing_for,
    references_of,
    target_of,
)
from napari_unet_studio.tasks.export_compare import (
    ExportError,
    answer_of,
    difference_of,
    runner,
)
from napari_unet_studio.tasks.export_config import ExportConfig, ExportFormat
from napari_unet_studio.tasks.export_tiles import (
    centre_tile,
    frame_for,
    normalised,
    tile_shapes,
)
from napari_unet_studio.tasks.progress import Progress, ShouldStop, never

__all__ = [
    "ExportConfig",
    "ExportError",
    "Exported",
    "export",
    "missing_for",
    "target_of",
]

# Answers nearer to 0 than this are none to test a package with.
_FAINT = 1e-3
# Side of a package's test image, if the network takes such a one.
_TEST_SIDE = {2: 256, 3: 48}


@dataclass(frozen=True, eq=False)
class Exported:
    """A model that was written for other programs.

    Parameters
    ----------
    path
        The file.
    format
        Of the file.
    difference
        The largest one between what it and our network answer to the same tiles; of
        logits larger than 1 as part of the largest.
    shapes
        Of the tiles.
    files
        All files that were written.
    notes
        Sentences for the user.

    Examples
    --------
    >>> import napari_unet_studio as us
    >>> file = getfixture("tmp_path") / "nuclei.pth"
    >>> made = us.export("nuclei", file, format="state_dict")
    >>> made.path == file, made.format
    (True, 'state_dict')
    """

    path: Path
    format: ExportFormat
    difference: float
    shapes: tuple[Shape, ...]
    files: tuple[Path, ...]
    notes: tuple[str, ...] = field(default=())


def export(
    model: Model,
    path: str | Path,
    config: ExportConfig | None = None,
    image: Any = None,
    *,
    axes: str | None = None,
    channel_axis: int | None = None,
    should_stop: ShouldStop = never,
) -> Generator[Progress, None, Exported | None]:
    """Write a model for other programs.

    What is written is run and compared with our network, on tiles of two sizes, before
    it takes its place: a file that computes something else is not kept.

    Parameters
    ----------
    model
        A trained model; it stays as it is.
    path
        The file; the usual suffix is added where there is none. One that is there is
        replaced.
    config
        Format, and what is said of the model.
    image
        Where the tiles, and the test image of a package, are taken from; its axes are
        (T)(Z)YX and possibly channels. A synthetic sample by default.
    axes, channel_axis
        See :meth:`.Frames.of`.
    should_stop
        Asked before each step.

    Yields
    ------
    Progress
        One record per step.

    Returns
    -------
    Exported or None
        None if stopped; nothing is written then.

    Raises
    ------
    ConfigError
        If authors or licence are missing, or a package that does the work, or the
        network does not go into the format.
    InputError
        If the image does not suit the model, or shows nothing to test a package with.
    ExportError
        If the file computes something else.
    StorageError
        If it cannot be written.
    """
    config = config or ExportConfig()
    target = target_of(path, config.format)
    check_writable(target)
    if model.card.spec.family == "foreign":
        return (yield from _as_it_is(model, target, config))
    card = shared_card(filled(model.card, config))
    lacking = missing_for(model.card, config)
    if lacking:
        raise ConfigError(
            f"A package for the model zoo states {' and '.join(lacking)}, which "
            f"{model.name!r} does not; give {' and '.join(lacking)}, such as "
            "authors='Ada Lovelace' and licence='CC-BY-4.0'."
        )
    references = references_of(card) if config.format == "bioimageio" else ()
    if config.format == "bioimageio":
        require("bioimageio.spec", "bioimageio")
        check_licence(card.licence)
    yield Progress(0, 4, "Preparing")
    own = Model(_in_single_precision(model), card, model.thumbnail)
    frame = frame_for(card, image, axes, channel_axis)
    shapes = tile_shapes(card.spec)
    tiles = [_pair(normalised(card, frame), shape) for shape in shapes]
    if should_stop():
        return None
    yield Progress(1, 4, "Writing the network")
    files, notes = _files(own, config, target.suffix)
    if should_stop():
        return None
    yield Progress(2, 4, "Comparing")
    difference, flat = _compared(own, files, tiles, config)
    if should_stop():
        return None
    yield Progress(3, 4, "Saving")
    if config.format == "bioimageio":
        _save_package(target, own, references, config, files, frame)
        written = [target]
    else:
        written = _save(target, files)
    yield Progress(4, 4, "Done")
    return Exported(
        target,
        config.format,
        difference,
        tuple(shapes),
        tuple(written),
        (*notes, *flat),
    )


def _in_single_precision(model: Model) -> Any:
    """Return a copy of the network on the processor, for evaluation."""
    network = copy.deepcopy(model.network)
    return network.cpu().float().eval().requires_grad_(False)


def _pair(frame: NDArray[np.float32], shape: Shape) -> NDArray[np.float32]:
    """Return a batch of two tiles (2, C, *S): the centre, and the same mirrored."""
    tile = centre_tile(frame, shape)
    return np.stack([tile, np.flip(tile, axis=-1)]).astype(np.float32)


def _files(
    own: Model, config: ExportConfig, suffix: str
) -> tuple[dict[str, bytes], list[str]]:
    """Return the files with the network, by what they hold, and notes."""
    notes: list[str] = []
    probable = config.answer == "probabilities"
    facts = about(own.card, config.answer)
    if config.format == "onnx":
        return {ONNX: onnx_bytes(own, probable, config.opset, facts)}, notes
    if config.format == "torchscript":
        inside = {KEY: facts.pop(KEY)}
        inside |= {f"{name}.txt": text for name, text in facts.items()}
        return {SCRIPT: torchscript_bytes(own, probable, inside)}, notes
    files = {STATE: state_bytes(own.network, suffix)}
    files[SOURCE] = architecture_source(own.card.spec).encode()
    if config.format == "state_dict":
        return files, [f"{facts['normalisation']} {facts['sizes']}"]
    inside = {KEY: about(own.card, "logits")[KEY]}
    files[SCRIPT] = torchscript_bytes(own, False, inside)
    try:
        require("onnxruntime", "onnx")
        files[ONNX] = onnx_bytes(own, False, config.opset, about(own.card, "logits"))
    except ConfigError as error:
        notes.append(f"The package has no ONNX weights. {error}")
    return files, notes


def _compared(
    own: Model,
    files: Mapping[str, bytes],
    tiles: Sequence[NDArray[np.float32]],
    config: ExportConfig,
) -> tuple[float, list[str]]:
    """Return the largest difference of any file on any tile, and notes about it."""
    inside = config.format in ("onnx", "torchscript")
    probable = inside and config.answer == "probabilities"
    expected = [answer_of(own, tile, probable) for tile in tiles]
    found = [0.0]
    for name, data in files.items():
        run = runner(own.card.spec, name, data)
        if run is not None:
            found += [
                difference_of(answer, run(tile), own.name, name)
                for answer, tile in zip(expected, tiles, strict=True)
            ]
    if any(
        np.ptp(answer, axis=tuple(range(2, answer.ndim))).any() for answer in expected
    ):
        return max(found), []
    # A guided network that sees no object answers without the rest of it.
    return max(found), [
        f"{own.name!r} answers the same for all pixels of the tiles, so little was "
        "compared; give an image with objects."
    ]


def _save_package(
    target: Path,
    own: Model,
    references: Sequence[Reference],
    config: ExportConfig,
    files: dict[str, bytes],
    frame: NDArray[Any],
) -> None:
    spec = own.card.spec
    least = smallest_input(spec)
    side = _TEST_SIDE[spec.ndim]
    wanted = spec.output_shape([max(size, side) for size in least])
    raw = centre_tile(frame, spec.input_shape(wanted)).astype(np.float32)
    given = normalised(own.card, raw)[np.newaxis]
    output = answer_of(own, given, config.answer == "probabilities")[0]
    if float(np.abs(output).max()) < _FAINT:
        raise InputError(
            f"{own.name!r} finds nothing in the test image, so a package could not be "
            "tested with it; give an image with objects."
        )
    package = Package(
        own.card,
        references,
        config.documentation.strip(),
        config.answer,
        files,
        config.opset,
        raw,
        output,
    )
    write_package(target, package)


def _save(target: Path, files: dict[str, bytes]) -> list[Path]:
    """Write the files beside each other; the weights get the name that was chosen."""
    places = {name: target for name in files if name != SOURCE}
    if SOURCE in files:
        places[SOURCE] = target.with_suffix(".py")
        check_own_source(places[SOURCE], files[SOURCE])
    with ExitStack() as together:  # none is replaced before all are written
        for name, place in places.items():
            together.enter_context(atomic_write(place)).write(files[name])
    return sorted(places.values(), key=lambda place: place != target)


def _as_it_is(
    model: Model, target: Path, config: ExportConfig
) -> Generator[Progress, None, Exported]:
    """Write the file that an imported model came as."""
    network: Any = model.network
    kind = network.spec.kind
    if config.format != kind:
        raise ConfigError(
            f"{model.name!r} is a network of another program, as {kind}, and cannot be "
            f"turned into {config.format}; export it as {kind}."
        )
    yield Progress(0, 1, "Saving")
    with atomic_write(target) as file:
        file.write(network.payload)
    yield Progress(1, 1, "Done")
    note = (
        "It is the file that was imported, as it was: what was said of the model since "
        "then is not in it."
    )
    return Exported(target, config.format, 0.0, (), (target,), (note,))
