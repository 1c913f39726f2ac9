"""Writes the page of all settings from the real configurations, forms and commands.

Run ``python docs/parameters.py`` with a display, or with Qt's offscreen platform; the
page goes to ``docs/parameters.md``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from napari_unet_studio.core.config import Config, field_types, help_texts

PAGE = Path(__file__).with_suffix(".md")
_LONG = 12  # more choices than these are not listed
_ROLE = re.compile(r":\w+:`\.?([^`]+)`")
_INTRO = """\
# Settings

Every setting has one definition, from which the docks, the command line, the files
and Python take their limits, defaults and explanations. This page is written from the
same definitions by `docs/parameters.py`, with the names in the docks and commands.

- In Python a group of settings is a class, `us.PredictConfig(average="flips")`, or a
  dict with the names of the first column, `{"average": "flips"}`.
- In a shell each setting has an option. `--config FILE` takes all of them from a JSON
  document as `config.to_dict()` gives it, or from a model: those it was trained with.
- Another value than those below is refused with a sentence, wherever it comes from.
"""


@dataclass(frozen=True)
class Group:
    """A configuration, the form that edits it, and the command that takes it."""

    title: str
    anchor: str
    config: str  # module:class
    text: str
    form: Callable[[type[Config]], Any] | None = None
    command: str = ""
    prefix: str = ""


def plain_form(config: type[Config]) -> Any:
    """The form that most docks use."""
    from napari_unet_studio.widgets._form import Form

    return Form(config())


def object_form(config: type[Config]) -> Any:
    """The sliders of Segment."""
    from napari_unet_studio.widgets._segment.object_form import ObjectForm

    return ObjectForm()


def train_form(config: type[Config]) -> Any:
    """The form of Train."""
    from napari_unet_studio.tasks.train_config import TrainConfig
    from napari_unet_studio.widgets._train.form import TrainForm

    return TrainForm(TrainConfig())


def weight_form(config: type[Config]) -> Any:
    """The form of Separation weights."""
    from qtpy.QtWidgets import QComboBox

    from napari_unet_studio.widgets._weights.form import WeightForm

    return WeightForm(QComboBox())


def deform_form(config: type[Config]) -> Any:
    """The form of Elastic deformation."""
    from qtpy.QtWidgets import QComboBox

    from napari_unet_studio.widgets._deform.form import DeformForm

    return DeformForm(QComboBox(), QComboBox(), QComboBox())


GROUPS = (
    Group(
        "Prediction",
        "settings-prediction",
        "tasks.predict_config:PredictConfig",
        "How a network runs over an image: *Advanced* in *Segment*, "
        "`us.PredictConfig`, `unet-studio predict`. Explained in "
        "[Prediction of any size](inference.md).",
        plain_form,
        "predict",
    ),
    Group(
        "Objects",
        "settings-objects",
        "core.object_config:ObjectConfig",
        "How probabilities become objects: the sliders of *Segment*, "
        "`us.ObjectConfig`, `unet-studio predict`. A model brings its own defaults for "
        "these; the ones below hold where it says nothing. Explained in "
        "[From probabilities to objects](objects.md).",
        object_form,
        "predict",
    ),
    Group(
        "Batch",
        "settings-batch",
        "tasks.batch_config:BatchConfig",
        "What is written for a folder of images: *Batch*, `us.BatchConfig`, "
        "`unet-studio predict`. Explained in [Many images](batch.md).",
        plain_form,
        "predict",
    ),
    Group(
        "Training",
        "settings-training",
        "tasks.train_config:TrainConfig",
        "*Train*, `us.TrainConfig`, `unet-studio train`. Explained in "
        "[Training](training.md).",
        train_form,
        "train",
    ),
    Group(
        "Training: pixel weights",
        "settings-training-weights",
        "core.weights:WeightConfig",
        "*Advanced ▸ Pixel weights* in *Train*; `weights` in `us.TrainConfig`. "
        "Explained in [Separation weights](weights.md).",
        plain_form,
        "train",
        "weights__",
    ),
    Group(
        "Training: augmentation",
        "settings-training-augment",
        "core.augment:AugmentConfig",
        "*Advanced ▸ Augmentation* in *Train*; `augment` in `us.TrainConfig`.",
        plain_form,
        "train",
        "augment__",
    ),
    Group(
        "Separation weights",
        "settings-weights",
        "core.weights:WeightConfig",
        "The dock *Separation weights*, `us.separation_weights`, `unet-studio "
        "weights`. The dock begins with what a training begins with. Function and "
        "command begin with equation 2 of the paper to the letter instead: balance by "
        "image, no gap, the border term inside too.",
        weight_form,
        "weights",
    ),
    Group(
        "Elastic deformation",
        "settings-deformation",
        "core.displacement:DeformConfig",
        "The dock *Elastic deformation*, `us.elastic_deform`, `unet-studio deform`. "
        "Explained in [Elastic deformation](deformation.md).",
        deform_form,
        "deform",
    ),
    Group(
        "Measuring",
        "settings-measuring",
        "core.measure:MeasureConfig",
        "*Object table*, `us.measure`, `unet-studio measure`. Explained in "
        "[Measuring objects](measuring.md).",
        plain_form,
        "measure",
    ),
    Group(
        "Looking into a network",
        "settings-inspecting",
        "tasks.inspect_config:InspectConfig",
        "*Inspect*, `us.feature_maps`, `us.saliency`, `unet-studio inspect`. "
        "Explained in [Looking into a network](inspecting.md).",
        plain_form,
        "inspect",
    ),
    Group(
        "Export",
        "settings-export",
        "tasks.export_config:ExportConfig",
        "*Models ▸ Export*, `us.export`, `unet-studio export`. Explained in "
        "[Sharing models](sharing.md).",
        plain_form,
        "export",
    ),
    Group(
        "For all docks and commands",
        "settings-all",
        "io.settings:Settings",
        "*Preferences ▸ U-Net Studio* in napari 0.9 and later, `unet-studio settings`. "
        "Explained in "
        "[Models](models.md#settings).",
    ),
)


def found(group: Group) -> type[Config]:
    """Return the configuration of a group."""
    module, name = group.config.split(":")
    config: type[Config] = getattr(import_module(f"napari_unet_studio.{module}"), name)
    return config


def titles(group: Group, config: type[Config]) -> dict[str, str]:
    """Return what stands in the dock beside each setting, by the setting's name."""
    if group.form is None:
        return manifest_titles()
    from qtpy.QtWidgets import QAbstractButton, QFormLayout, QLabel, QWidget

    form = group.form(config)
    parts = form.findChildren(QWidget)
    texts = help_texts(config)
    names = {}
    for field in field_types(config):
        about = [part for part in parts if part.toolTip().startswith(texts[field])]
        # The label of the row says it, else the text of a box, else the row it is in.
        said = [part.text() for part in about if isinstance(part, QLabel)]
        said += [part.text() for part in about if isinstance(part, QAbstractButton)]
        for part in about:
            while part is not None and part is not form.parent():
                for rows in form.findChildren(QFormLayout):
                    label = rows.labelForField(part)
                    said += [] if label is None else [label.text()]
                part = part.parentWidget()
        names[field] = next((text for text in said if text), "")
    form.deleteLater()
    return names


def manifest_titles() -> dict[str, str]:
    """Return the titles of the preferences."""
    import yaml

    manifest = PAGE.parents[1] / "napari.yaml"
    document = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    return {
        name: str(each["title"])
        for section in document["contributions"]["configurations"].values()
        for name, each in section["properties"].items()
    }


def shell_command(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that words of a shell mean, and the words that are left."""
    import typer

    from napari_unet_studio.cli.app import app

    found: Any = typer.main.get_command(app)
    while words and hasattr(found, "resolve_command"):
        if words[0] not in found.commands:
            break
        context = found.context_class(found, info_name="unet-studio")
        _, found, words = found.resolve_command(context, words)
    return found, words


def options(command: str) -> dict[str, str]:
    """Return the options of a command, by the names of its parameters."""
    if not command:
        return {}
    found, _ = shell_command([command])
    return {
        each.name: each.opts[0]
        for each in found.params
        if each.opts and each.opts[0].startswith("--")
    }


def values(kind: Any, extra: dict[str, Any]) -> str:
    """Tell which values a setting may have."""
    choices = get_args(kind) if get_origin(kind) is Literal else extra.get("choices")
    choices = choices or extra.get("suggestions")
    if choices is not None:
        if len(choices) > _LONG:
            return "see [Networks](networks.md)"
        more = ", or a sum of them" if "suggestions" in extra else ""
        return ", ".join(f"`{each}`" for each in choices) + more
    if kind is bool:
        return "yes, no"
    low, high = extra.get("min"), extra.get("max")
    if low is None and high is None:
        return "text" if kind is str else "several texts"
    text = (
        f"{number(low)} or more" if high is None else f"{number(low)} to {number(high)}"
    )
    return f"{text}; 0: {extra['zero']}" if "zero" in extra else text


def number(value: float) -> str:
    """Write a number with its thousands apart."""
    text = f"{value:,.10g}" if isinstance(value, float) else f"{value:,}"
    return text.replace(",", "\N{NARROW NO-BREAK SPACE}")


def default(value: Any) -> str:
    """Write a default."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    return f"`{value}`" if value else "empty"


def table(group: Group, config: type[Config]) -> list[str]:
    """Return the rows of a group."""
    names, shell = titles(group, config), options(group.command)
    usual: Any = config()
    rows = [
        "| setting | in the dock | values | default | what it does |",
        "| :-- | :-- | :-- | :-- | :-- |",
    ]
    for field, (kind, extra) in field_types(config).items():
        if is_dataclass(kind):
            continue
        option = shell.get(group.prefix + field)
        first = f"`{field}`" + ("" if option is None else f"<br>`{option}`")
        meaning = _ROLE.sub(r"`\1`", help_texts(config)[field])
        cells = (
            first,
            names.get(field, ""),
            values(kind, extra),
            default(getattr(usual, field)),
            meaning,
        )
        rows.append(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        )
    return rows


def page() -> str:
    """Return the page."""
    lines = [_INTRO]
    for group in GROUPS:
        lines += [f"({group.anchor})=", f"## {group.title}", "", group.text, ""]
        lines += [*table(group, found(group)), ""]
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    from qtpy.QtWidgets import QApplication

    application = QApplication.instance() or QApplication([])
    PAGE.write_text(page(), encoding="utf-8")
    del application


if __name__ == "__main__":
    main()
