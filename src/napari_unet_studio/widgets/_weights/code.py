"""Code that computes a weight map as the widget does: Python, or for a shell."""

from typing import Any

from napari_unet_studio.core import shell
from napari_unet_studio.core.blockwise import is_chunked
from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.io.plain_json import dumps
from napari_unet_studio.widgets._code import Files, place_options
from napari_unet_studio.widgets._weights.maps import WeightMaps, over_all
from napari_unet_studio.widgets._weights.objects import OUTSIDE, Reading, id_column


def as_python(maps: WeightMaps | None, config: WeightConfig) -> str:
    """Return code that computes a weight map anew, lazily from lazy labels.

    Parameters
    ----------
    maps
        Of the layer; None gives code for labels of that name.
    config
        The settings.
    """
    reading = Reading() if maps is None else maps.reading
    lead = 0 if maps is None else len(maps.leading)
    lazy = maps is not None and is_chunked(maps.source.data)
    balanced = config.balance == "global" and config.preset != "2019"
    pieces = reading.pieces
    imports = ["import numpy as np", "import napari_unet_studio as us"]
    if lazy:
        imports[:0] = ["import dask", "import dask.array as da"]
    if pieces:
        imports.append("from skimage.measure import label")
    if balanced:
        imports.append(
            "from napari_unet_studio.core.weights import balanced, class_counts"
        )
    lines = [*imports, "", *_labels(maps, lazy), *_classes(maps)]
    lines += [*_settings(maps, config), *(_pieces(reading) if pieces else [])]
    one = "np.asarray(labels[index])"
    if pieces:
        one = f"objects({one})"
    lines.append(f"frames = list(np.ndindex(labels.shape[:{lead}]))")
    if balanced:
        lines += [
            "counts = sum(",
            f"    class_counts({one}, **asked)",
            "    for index in frames",
            ")",
            'settings["balance"] = balanced(counts)',
        ]
    if not lazy:
        lines += [
            "weights = np.empty(labels.shape, np.float32)",
            "for index in frames:",
            f"    weights[index] = us.separation_weights({one}, **settings)",
        ]
        return "\n".join(lines) + "\n"
    if pieces:  # a piece may run through any number of blocks
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


def _labels(maps: WeightMaps | None, lazy: bool) -> list[str]:
    if maps is None:
        return ['labels = viewer.layers["labels"].data']
    expression = maps.source.expression
    kept = maps.data[0] if maps.source.multiscale else maps.data
    if lazy and not hasattr(kept, "dask"):
        expression = f"da.from_array({expression})"
    return [f"labels = {expression}"]


def _classes(maps: WeightMaps | None) -> list[str]:
    if maps is None or maps.reading.classes is None:
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


def _settings(maps: WeightMaps | None, config: WeightConfig) -> list[str]:
    reading = Reading() if maps is None else maps.reading
    spacing = None if maps is None else maps.source.spacing[-maps.ndim :]
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
