"""Code that measures objects as the widget does: Python, or for a shell."""

from collections.abc import Sequence
from typing import Any

from napari_unet_studio.core import shell
from napari_unet_studio.core.measure import MeasureConfig
from napari_unet_studio.layers.source import Source
from napari_unet_studio.widgets._code import Files, place_options
from napari_unet_studio.widgets._table.images import Choice


def as_python(
    source: Source | None,
    images: Sequence[Choice],
    classes: Any,
    config: MeasureConfig,
) -> str:
    """Return code that measures anew, and writes the table.

    Parameters
    ----------
    source
        The labels; None gives code for a layer of that name.
    images
        Channels that intensities are taken of.
    classes
        Layer with classes, or None.
    config
        What is measured.
    """
    name = "labels" if source is None else source.name
    text = as_step(name, images, classes, config)
    return f'import napari_unet_studio as us\n\n{text}table.to_csv("objects.csv")\n'


def as_step(
    name: str, images: Sequence[Choice], classes: Any, config: MeasureConfig
) -> str:
    """Return code that puts the table into the features of a layer.

    Parameters
    ----------
    name
        Of the layer.
    images, classes, config
        As for :func:`as_python`.
    """
    words = ["viewer", repr(name)]
    if images:
        listed = "".join(f"        {c.name!r}: {_channel(c)},\n" for c in images)
        words.append(f"{{\n{listed}    }}")
    usual = MeasureConfig().to_dict()
    changed = {k: v for k, v in config.to_dict().items() if v != usual[k]}
    if changed:
        words.append(f"config={changed}")
    if classes is not None:
        words.append(f"classes={classes.name!r}")
    body = "".join(f"    {word},\n" for word in words)
    return f"table = us.measure_layer(\n{body})\n"


def as_shell(
    layer: Any,
    source: Source,
    unit: str,
    images: Sequence[Choice],
    classes: Any,
    config: MeasureConfig,
) -> str:
    """Return a command that measures the file of a layer.

    Parameters
    ----------
    layer
        The labels.
    source, images, classes, config
        As for :func:`as_python`.
    unit
        Of the pixel size.
    """
    files = Files()
    file = files.of(layer)
    table = f"{file.path.stem} objects.csv"
    words: list[object] = ["unet-studio", "measure", file.path, "--out", table]
    place = place_options(file, source, unit=unit)
    stated = False
    for choice in images:
        image = files.of(choice.layer, channels=choice.channel is None)
        channel = image.channel if choice.channel is None else choice.channel
        words += ["--image", image.path, "--name", choice.name]
        words += ["--channel", "all" if channel is None else channel]
        stated |= image.found is not None and image.found.spacing is not None
    if stated and "--spacing" not in place:  # or that of the image would count
        place += ["--spacing", shell.numbers(source.spacing), "--unit", unit or "none"]
    if classes is not None:
        words += ["--classes", files.of(classes).path]
    words += [*place, *shell.options(config, MeasureConfig())]
    return files.command(words)


def _channel(choice: Choice) -> str:
    name = repr(choice.layer.name)
    return name if choice.channel is None else f"({name}, {choice.channel!r})"
