"""The lines that do what the Models widget does, in Python or in a shell."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core.shell import line, options
from napari_unet_studio.tasks.export_config import SUFFIXES, ExportConfig
from napari_unet_studio.widgets._code import Files
from napari_unet_studio.widgets._models.entries import Entry

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_unet_studio.layers import Source

_HEAD = "import napari_unet_studio as us\n"


def reference_of(entry: Entry) -> str:
    """Return how a script names a model: files elsewhere by their path."""
    return str(entry.path) if entry.source == "file" else entry.name


def load_python(entry: Entry) -> str:
    """Return code that loads a model, or downloads it first."""
    call = f"load_model({reference_of(entry)!r})"
    if entry.offer is not None:
        url, digest = entry.offer.url, entry.offer.sha256
        call = (
            f"download_model(\n    {url!r},\n    {digest!r},\n"
            f"    name={entry.name!r},\n)"
        )
    return f"{_HEAD}\nmodel = us.{call}\n"


def load_shell(entry: Entry) -> str:
    """Return a command that tells of a model, or downloads it."""
    words = ["unet-studio", "models", "info", reference_of(entry)]
    if entry.offer is not None:
        words = ["unet-studio", "models", "download", entry.offer.url]
        words += ["--sha256", entry.offer.sha256, "--name", entry.name]
    return line(words) + "\n"


def export_python(
    entry: Entry, config: ExportConfig, layer: "Image | None", source: "Source | None"
) -> str:
    """Return code that exports a model.

    Parameters
    ----------
    entry
        The model.
    config
        The settings.
    layer, source
        The test image, if there is one: the layer, and as it is read.
    """
    values, usual = config.to_dict(), ExportConfig().to_dict()
    given: dict[str, Any] = {
        name: value
        for name, value in values.items()
        if name == "format" or value != usual[name]
    }
    words = [f"{name}={value!r}" for name, value in given.items()]
    head = _HEAD
    if layer is not None and source is not None:
        head = f"import napari\n{_HEAD}\nviewer = napari.current_viewer()"
        pixels = source.expression
        if layer.rgb and source.channels < layer.data.shape[-1]:
            pixels += f"[..., :{source.channels}]"  # without their transparency
        words += [f"image={pixels}", f"axes={source.axes!r}"]
        if source.channel_axis is not None:
            words.append(f"channel_axis={source.channel_axis}")
    lines = "".join(f"    {word},\n" for word in words)
    model, path = reference_of(entry), _file_of(entry, config)
    return f"{head}\nus.export(\n    {model!r},\n    {path!r},\n{lines})\n"


def export_shell(
    entry: Entry, config: ExportConfig, layer: "Image | None", source: "Source | None"
) -> str:
    """Return a command that exports a model; see :func:`export_python`."""
    files = Files()
    words = ["unet-studio", "export", reference_of(entry)]
    words += ["-o", _file_of(entry, config)]
    words += ["--format", config.format]
    words += options(config, replace(ExportConfig(), format=config.format))
    if layer is not None:
        words += ["--image", str(files.of(layer).path)]
    return files.command(words)


def _file_of(entry: Entry, config: ExportConfig) -> str:
    stem = entry.name if entry.path is None else entry.path.stem
    return f"{stem}{SUFFIXES[config.format]}"
