"""What repeats a batch: Python, or a command of the shell."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_unet_studio.core import shell
from napari_unet_studio.core.channels import Channel
from napari_unet_studio.tasks.batch_config import BatchConfig
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.widgets._batch.plan import Plan
from napari_unet_studio.widgets._batch.reading import Stated
from napari_unet_studio.widgets._code import Files, place_options
from napari_unet_studio.widgets._segment.code import brief

_SWITCHES = ("probabilities", "table", "store")


def as_python(plan: Plan) -> str:
    """Return code that does what a plan does.

    Parameters
    ----------
    plan
        What a run would do now.
    """
    if not plan.of_layers:
        return _files_python(plan)
    return _layers_python(plan) if plan.out is None else _saved_python(plan)


def as_shell(plan: Plan) -> str:
    """Return a command that does what a plan does, on files.

    Parameters
    ----------
    plan
        What a run would do now.
    """
    out = Path("predicted") if plan.out is None else plan.out
    after: list[object] = ["--model", plan.reference, "--out", out]
    config, default = plan.config, BatchConfig()
    after += shell.options(config.prediction, default.prediction)
    for name in _SWITCHES:
        if getattr(config, name):
            after.append(f"--{name}")
    after += shell.options(plan.objects, plan.card.objects)
    if plan.overwrite:
        after.append("--overwrite")
    if not plan.of_layers:
        words: list[object] = ["unet-studio", "predict", *plan.given]
        return shell.line([*words, *after, *_stated_words(plan)]) + "\n"
    return _layers_shell(plan, after)


def _layers_shell(plan: Plan, after: Sequence[object]) -> str:
    """Return commands for layers: images that are read alike share one."""
    files = Files()
    groups: dict[tuple[str, ...], list[Path]] = {}
    for entry in plan.entries:
        source = plan.sources[entry.key]
        layer = None if entry.layer is None else entry.layer()
        file = files.of(layer, entry.name, channels=source.channel is None)
        words = place_options(file, source)
        channel = file.channel if source.channel is None else source.channel
        if channel is not None:
            words += ["--channel", str(channel)]
        groups.setdefault(tuple(words), []).append(file.path)
    lines = [
        shell.line(["unet-studio", "predict", *paths, *after, *words])
        for words, paths in groups.items()
    ]
    return files.comments + "\n".join(lines) + "\n"


def _files_python(plan: Plan) -> str:
    images = [str(path) for path in plan.given]
    lines = [
        repr(images[0] if len(images) == 1 else images),
        repr(str(plan.out)),
        repr(plan.reference),
        config_text(plan.config),
        f"objects=us.{plan.objects!r}",
        *_arguments(plan.stated),
    ]
    if plan.overwrite:
        lines.append("overwrite=True")
    return (
        "import napari_unet_studio as us\n\n"
        f"result = us.batch(\n{_indented(lines)})\nprint(result)\n"
    )


def _layers_python(plan: Plan) -> str:
    """Return calls for layers; those of which one channel is taken have their own."""
    groups: dict[Channel | None, list[str]] = {}
    for source in (plan.sources[entry.key] for entry in plan.entries):
        groups.setdefault(source.channel, []).append(source.name)
    text = "import napari_unet_studio as us\n"
    for channel, names in groups.items():
        lines = [
            "viewer",
            "name",
            repr(plan.reference),
            f"us.{brief(plan.config.prediction)}",
            f"us.{plan.objects!r}",
            *_arguments(plan.stated._replace(channel=channel)),
        ]
        text += f"\nfor name in {names!r}:\n"
        text += f"    us.predict_layer(\n{_indented(lines, 8)}    )\n"
    return text


def _saved_python(plan: Plan) -> str:
    """Return code that writes the results of layers to a folder."""
    expected = plan.card.spec.in_channels
    rows = []
    for entry, item in zip(plan.entries, plan.items, strict=True):
        source = plan.sources[entry.key]
        layer = None if entry.layer is None else entry.layer()
        name = source.name if layer is None else layer.name  # it may be another by now
        stated = plan.stated._replace(channel=source.channel)
        words = ["viewer", repr(name), str(expected), *_arguments(stated)]
        rows.append(f"{item.name!r}: named_source({', '.join(words)})")
    lines = [
        "items",
        f"Path({str(plan.out)!r})",
        f"us.load_model({plan.reference!r})",
        config_text(plan.config),
        f"objects=us.{plan.objects!r}",
    ]
    if plan.overwrite:
        lines.append("overwrite=True")
    given = ("data", "axes", "channel_axis", "spacing", "unit")
    parts = ", ".join(f"image.{name}" for name in given)
    return (
        "from pathlib import Path\n\n"
        "import napari_unet_studio as us\n"
        "from napari_unet_studio.io.folders import BatchItem\n"
        "from napari_unet_studio.io.images import ImageFile\n"
        "from napari_unet_studio.layers.channels import named_source\n"
        "from napari_unet_studio.tasks.batch import batch\n"
        "from napari_unet_studio.tasks.progress import run\n\n"
        f"images = {{\n{_indented(rows)}}}\n"
        "items = [\n"
        f"    BatchItem(name, ImageFile({parts}))\n"
        "    for name, image in images.items()\n"
        "]\n"
        f"task = batch(\n{_indented(lines)})\nresult = run(task)\nprint(result)\n"
    )


def config_text(config: BatchConfig) -> str:
    """Return the settings as Python, without what has its default.

    Examples
    --------
    >>> config_text(BatchConfig(PredictConfig(tile=512), table=True))
    'us.BatchConfig(prediction=us.PredictConfig(tile=512), table=True)'
    """
    given = []
    if config.prediction != PredictConfig():
        given.append(f"prediction=us.{brief(config.prediction)}")
    given += [f"{name}=True" for name in _SWITCHES if getattr(config, name)]
    return f"us.BatchConfig({', '.join(given)})"


def _arguments(stated: Stated) -> list[str]:
    """Return what was said of the images as arguments."""
    given: dict[str, Any] = stated._asdict()
    return [f"{name}={value!r}" for name, value in given.items() if value is not None]


def _stated_words(plan: Plan) -> list[str]:
    stated, words = plan.stated, []
    if stated.axes is not None:
        words += ["--axes", stated.axes]
    if stated.spacing is not None:
        words += ["--spacing", shell.numbers(stated.spacing)]
        if stated.unit not in (None, "um"):
            words += ["--unit", str(stated.unit)]
    if stated.channel is not None:
        words += ["--channel", str(stated.channel)]
    return words


def _indented(lines: Sequence[str], by: int = 4) -> str:
    return "".join(f"{' ' * by}{line},\n" for line in lines)
