"""What repeats a result: lines for napari's console, or a command of the shell."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core import shell
from napari_unet_studio.layers import Region, Source
from napari_unet_studio.widgets._code import File, Files, place_options
from napari_unet_studio.widgets._session import record

if TYPE_CHECKING:
    from napari_unet_studio.core.instances import ObjectConfig
    from napari_unet_studio.tasks.predict_config import PredictConfig


def predict_code(
    layers: Sequence[str],
    source: Source,
    axes: str,
    reference: str,
    config: "PredictConfig",
    objects: "ObjectConfig",
    out: Path | None = None,
) -> str:
    """Return a call of :func:`.predict_layer`.

    Parameters
    ----------
    layers
        Names of the layers of the image, one or one for each channel.
    source
        The image.
    axes
        Names of its axes.
    reference
        The model, by name or path.
    config, objects
        The settings.
    out
        Where the result was written to, if it was.
    """
    image = repr(layers[0]) if not source.layers else repr(list(layers))
    lines = [
        image,
        repr(reference),
        f"us.{brief(config)}",
        f"us.{objects!r}",
        f"axes={axes!r}",
    ]
    if source.channel is not None:
        lines.append(f"channel={source.channel!r}")
    if source.level:
        lines.append(f"level={source.level}")
    if source.region is not None:
        lines.append(f"region={region_text(source.region)}")
    if out is not None:
        again = out.with_name(f"{out.stem} again.zarr")  # results are never replaced
        lines.append(f"out={str(again)!r}")
    body = "".join(f"    {line},\n" for line in lines)
    return (
        "import napari_unet_studio as us\n\n"
        f"prediction = us.predict_layer(\n    viewer,\n{body})\n"
    )


def predict_command(
    layers: Sequence[Any],
    names: Sequence[str],
    source: Source,
    reference: str,
    config: "PredictConfig",
    objects: "ObjectConfig",
    start: "ObjectConfig",
    out: Path | None = None,
) -> str:
    """Return a command that predicts the files of the layers.

    Parameters
    ----------
    layers
        Those of the image, one or one for each channel; None for one that is gone.
    names, source, reference, config, objects, out
        As for :func:`predict_code`.
    start
        The settings that the model starts with.
    """
    from napari_unet_studio.tasks.predict_config import PredictConfig

    files = Files()
    if source.layers:
        file = files.joined(names, source.level)
    else:
        single = source.channel is None
        file = files.of(layers[0], names[0], source.level, channels=single)
    words: list[object] = ["unet-studio", "predict", file.path, "--model", reference]
    if out is None:
        words += ["--out", "predicted", "--probabilities"]
    else:
        words += ["--out", out.with_name(f"{out.stem} again.zarr")]
    words += image_options(file, source)
    if source.region is not None:
        words += ["--region", shell.slices(source.region)]
    words += shell.options(config, PredictConfig()) + shell.options(objects, start)
    return files.command(words)


def image_options(file: File, source: Source) -> list[str]:
    """Return the options that say which pixels of a file are meant, and how."""
    words = place_options(file, source)
    channel = file.channel if source.channel is None else source.channel
    if channel is not None:
        words += ["--channel", str(channel)]
    if file.level:
        words += ["--resolution", str(file.level)]
    return words


def brief(config: Any) -> str:
    """Return a configuration as Python, without what has its default.

    Examples
    --------
    >>> from napari_unet_studio.tasks.predict_config import PredictConfig
    >>> brief(PredictConfig(device="cpu", tile=512))
    "PredictConfig(device='cpu', tile=512)"
    """
    default = type(config)()
    given = [
        f"{field.name}={getattr(config, field.name)!r}"
        for field in fields(config)
        if getattr(config, field.name) != getattr(default, field.name)
    ]
    return f"{type(config).__name__}({', '.join(given)})"


def region_text(region: Region) -> str:
    """Return a region as Python.

    Examples
    --------
    >>> region_text((slice(3, 67, None), slice(0, 40, None)))
    '(slice(3, 67), slice(0, 40))'
    """
    return f"({', '.join(f'slice({part.start}, {part.stop})' for part in region)})"


def record_result(widget: Any, result: Any) -> None:
    """Record a result as it is shown now; see :func:`.record`.

    Parameters
    ----------
    widget
        A part of the dock.
    result
        A :class:`.Shown` whose layers are there.
    """
    if result.settled and not result.gone:
        record(
            widget,
            f"Segment {result.title}",
            result.as_python(),
            result.given,
            result.layers,
            model=result.reference,
            viewer=result.viewer,
        )
