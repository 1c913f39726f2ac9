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
    unit: str,
    images: Sequence[Choice],
    classes: Any,
    config: MeasureConfig,
) -> str:
    """Return code that measures anew, and writes the table.

    Parameters
    ----------
    source
        The labels; None gives code for a layer of that name.
    unit
        Of their pixel size.
    images
        Channels that intensities are taken of.
    classes
        Layer with classes, or None.
    config
        What is measured.
    """
    name = "labels" if source is None else source.name
    data = f"viewer.layers[{name!r}].data" if source is None else source.expression
    lines = ["import napari_unet_studio as us", ""]
    lines += ["table = us.measure(", f"    {data},"]
    if images:
        lines.append("    {")
        lines += [f"        {c.name!r}: {_pixels(c)}," for c in images]
        lines.append("    },")
    if source is not None:
        lines.append(f"    axes={source.axes!r},")
        lines.append(f"    spacing={source.spacing},")
        lines.append(f"    unit={unit!r},")
    if classes is not None:
        level = "[0]" * bool(classes.multiscale)
        lines.append(f"    classes=viewer.layers[{classes.name!r}].data{level},")
    usual = MeasureConfig().to_dict()
    changed = {k: v for k, v in config.to_dict().items() if v != usual[k]}
    if changed:
        lines.append(f"    config={changed},")
    lines += [
        ")",
        'table.to_csv("objects.csv")',
        f'viewer.layers[{name!r}].features = {{"index": table["label"], **table}}',
    ]
    return "\n".join(lines) + "\n"


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
    source, unit, images, classes, config
        As for :func:`as_python`.
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


def _pixels(choice: Choice) -> str:
    layer = choice.layer
    text = f"viewer.layers[{layer.name!r}].data" + "[0]" * bool(layer.multiscale)
    if choice.channel is None:
        return text
    axis = choice.whole().channel_axis
    if axis == layer.ndim:  # the colours of an RGB layer
        return f"{text}[..., {choice.channel}]"
    return f"{text}[{':, ' * (axis or 0)}{choice.channel}]"
