"""Code that computes a weight map as the widget does: Python, or for a shell."""

from typing import Any

from napari_unet_studio.core import shell
from napari_unet_studio.core.blockwise import is_chunked
from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.io.plain_json import dumps
from napari_unet_studio.layers.reading import OUTSIDE, Reading, id_column
from napari_unet_studio.widgets._code import Files, place_options
from napari_unet_studio.widgets._weights.maps import WeightMaps, over_all


def as_python(maps: WeightMaps | None, config: WeightConfig) -> str:
    """Return code that computes a weight map anew, lazily from lazy labels.

    Parameters
    ----------
    maps
        Of the layer; None gives code for labels of that name.
    config
        The settings.
    """
    name = "labels" if maps is None else maps.source.name
    if maps is None or not is_chunked(maps.source.data):
        call = as_step(name, Reading() if maps is None else maps.reading, config)
        head = "import napari_unet_studio as us\n\n"
        return f"{head}layer = {call}weights = layer.data\n"
    reading, lead = maps.reading, len(maps.leading)
    balanced = over_all(config)
    imports = ["import dask", "import dask.array as da"]
    imports += ["import numpy as np", "import napari_unet_studio as us"]
    if reading.pieces:
        imports.append("from skimage.measure import label")
    if balanced:
        imports.append(
            "from napari_unet_studio.core.weights import balanced, class_counts"
        )
    lines = [*imports, "", *_labels(maps), *_classes(maps), *_settings(maps, config)]
    lines += _pieces(reading) if reading.pieces else []
    lines.append(f"frames = list(np.ndindex(labels.shape[:{lead}]))")
    if balanced:
        one = "np.asarray(labels[index])"
        one = f"objects({one})" if reading.pieces else one
        lines += [
            "counts = sum(",
            f"    class_counts({one}, **asked)",
            "    for index in frames",
            ")",
            'settings["balance"] = balanced(counts)',
        ]
    if reading.pieces:  # a piece may run through any number of blocks
        lines += [
            "@dask.delayed",
            "def weigh(frame):",
            "    return us.separation_weights(objects(frame), **settings)",
            "",
            f"shape = labels.shape[{lead}:]",
            "maps = [",
            "    da.from_delayed(weigh(labels[index]), shape, np.float32)",
            "    for index in frames",
            "]",
        ]
    else:
        lines += [
            "maps = [",
            "    us.separation_weights(labels[index], **settings) for index in frames",
            "]",
        ]
    lines += [
        "weights = da.stack(maps).reshape(labels.shape)  # computed where it is used",
    ]
    return "\n".join(lines) + "\n"


def as_step(
    name: str, reading: Reading, config: WeightConfig, target: bool = False
) -> str:
    """Return code that adds the weights to the viewer, and the carved labels if asked.

    Parameters
    ----------
    name
        Of the layer of labels.
    reading, config
        What counts as an object, and the settings.
    target
        Whether the carved labels are shown too.
    """
    words = ["viewer", repr(name), repr(config.to_dict())]
    if reading.ndim == 3:
        words.append("ndim=3")
    if reading.pieces:
        words.append("pieces=True")
    if reading.ignore is not None:
        words.append(f"ignore={reading.ignore}")
    if reading.classes is not None:
        words.append(f"classes={reading.classes.column!r}")
    if target:
        words.append("target=True")
    body = "".join(f"    {word},\n" for word in words)
    return f"us.weights_layer(\n{body})\n"


def as_shell(layer: Any, maps: WeightMaps, config: WeightConfig) -> str:
    """Return a command that computes a weight map of the file of a layer.

    Parameters
    ----------
    layer, maps
        The layer, and its frames.
    config
        The settings.
    """
    files, reading = Files(), maps.reading
    file = files.of(layer)
    out = f"{file.path.stem} weights.tif"
    words: list[object] = ["unet-studio", "weights", file.path, "--out", out]
    words += place_options(file, maps.source)
    words += ["--preset", config.preset, "--w0", config.w0, "--sigma", config.sigma]
    alone = config.balance == "global" and not over_all(config)
    words += ["--balance", "image" if alone else config.balance, "--gap", config.gap]
    words.append("--inside" if config.inside else "--no-inside")
    if reading.ignore is not None:
        words += ["--ignore", reading.ignore]
    if maps.ndim == 2 and "Z" in maps.source.axes:
        words.append("--planes")
    if reading.pieces:
        words.append("--connected")
    if reading.numbers is None:
        return files.command(words)
    table = f"{file.path.stem} classes.json"
    numbers = {str(key): number for key, number in sorted(reading.numbers.items())}
    text = shell.written(table, dumps(numbers))
    return files.command([*words, "--classes", table], text)


def _labels(maps: WeightMaps) -> list[str]:
    expression = maps.source.expression
    kept = maps.data[0] if maps.source.multiscale else maps.data
    if not hasattr(kept, "dask"):
        expression = f"da.from_array({expression})"
    return [f"labels = {expression}"]


def _classes(maps: WeightMaps) -> list[str]:
    if maps.reading.classes is None:
        return []
    column = maps.reading.classes.column
    ids = id_column(maps.features)
    return [
        f"table = viewer.layers[{maps.source.name!r}].features",
        f'table = table[(table["{ids}"] != 0) & (table[{column!r}] != "")]',
        f"table = table.dropna(subset=[{column!r}])",
        f"names = sorted(table[{column!r}].unique())",
        "numbers = {name: number for number, name in enumerate(names, 1)}",
        f'classes = dict(zip(table["{ids}"], table[{column!r}].map(numbers)))',
    ]


def _settings(maps: WeightMaps, config: WeightConfig) -> list[str]:
    reading, spacing = maps.reading, maps.source.spacing[-maps.ndim :]
    ignore = reading.ignore
    if ignore is not None and reading.pieces:
        ignore = OUTSIDE
    asked = [f"gap={config.gap}"]
    if ignore is not None:
        asked.append(f"ignore={ignore}")
    if reading.classes is not None:
        asked.append("classes=classes")
    balance = "image" if config.balance == "global" else config.balance
    return [
        f"asked = dict({', '.join(asked)})",
        "settings = dict(",
        f"    preset={config.preset!r}, w0={config.w0:g}, sigma={config.sigma:g},",
        f"    balance={balance!r}, inside={config.inside},",
        f"    spacing={spacing}, **asked,",
        ")",
    ]


def _pieces(reading: Reading) -> list[str]:
    lines = ["", "def objects(frame):"]
    if reading.ignore is None:
        lines.append("    return label(frame, connectivity=1)")
    else:
        lines += [
            f"    outside = frame == {reading.ignore}",
            "    ids = label(np.where(outside, 0, frame), connectivity=1)",
            f"    return np.where(outside, {OUTSIDE}, ids)",
        ]
    return [*lines, ""]
