"""The section "Export": what a model becomes for other programs."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from magicgui.widgets.bases import CategoricalWidget
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet_studio.core.config import help_texts
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.io.model_file import load_model_file
from napari_unet_studio.layers import Source, fitting_channels, source_of
from napari_unet_studio.tasks.export_config import (
    SUFFIXES,
    ExportConfig,
    ExportFormat,
)
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.widgets._controls import copy_button
from napari_unet_studio.widgets._form import Form
from napari_unet_studio.widgets._models.code import export_python, export_shell
from napari_unet_studio.widgets._models.entries import Entry
from napari_unet_studio.widgets._models.text_box import text_box
from napari_unet_studio.widgets._segment.rows import Row, remark, small_label

if TYPE_CHECKING:
    from napari_unet_studio.tasks.export import Exported

KINDS = {
    "bioimageio": "bioimage.io package",
    "onnx": "ONNX network",
    "torchscript": "TorchScript program",
    "state_dict": "PyTorch state dict",
}
# The extra of this package, and what it brings.
_NEEDED = {
    "bioimageio": ("bioimageio", "bioimageio.spec"),
    "onnx": ("onnx", "onnx", "onnxruntime"),
}
_ABOUT = ("authors", "licence", "cite", "description")
_PACKAGED = (*_ABOUT, "documentation")


@dataclass(frozen=True)
class Sent:
    """What is exported, and where to.

    Parameters
    ----------
    model
        The model file.
    path
        The new file.
    config
        The settings.
    image
        What it is tested on; None takes a sample.
    """

    model: Path
    path: Path
    config: ExportConfig
    image: Source | None = None

    def task(
        self, should_stop: ShouldStop
    ) -> "Generator[Progress, None, Exported | None]":
        """Load the model and export it; None if stopped."""
        from napari_unet_studio.tasks.export import export

        yield Progress(0, 0, "Loading the model")
        model = load_model_file(self.model)
        image: dict[str, Any] = {}
        if self.image is not None:
            image["image"] = self.image.data
            image["axes"] = self.image.axes
            image["channel_axis"] = self.image.channel_axis
        task = export(model, self.path, self.config, should_stop=should_stop, **image)
        return (yield from task)


class ExportPanel(QWidget):
    """Edits an :class:`.ExportConfig`, as far as the format makes use of it.

    Parameters
    ----------
    image
        The choice of an image layer to test the result on, or of none.
    """

    wanted = Signal()
    """When the button is pressed."""
    failed = Signal(object)
    """With the error of settings or of an image for which there is no code."""

    def __init__(self, image: CategoricalWidget[Any]) -> None:
        super().__init__()
        self.entry: Entry | None = None
        self.image = image
        works: ExportFormat = next(filter(_works, get_args(ExportFormat)))
        self.form = Form(ExportConfig(works), hidden=("documentation",))
        self.documentation = text_box(3)
        self.documentation.setToolTip(help_texts(ExportConfig)["documentation"])
        rows = self.form.findChild(QFormLayout)
        self._documentation = Row(rows, "Documentation", self.documentation)
        self.form.add_row("Test image", image.native)
        self.lack = small_label()
        self.send = QPushButton("Export…")
        self.send.setToolTip(
            "Choose a file and write the model to it, after a check that it computes "
            "the same there."
        )
        self.copy = copy_button(
            self._python,
            "Copy code that exports the model: Python, or a command of the shell.",
            self._shell,
        )
        buttons = QHBoxLayout()
        buttons.addWidget(self.send, 1)
        buttons.addWidget(self.copy, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.form)
        column.addWidget(self.lack)
        column.addLayout(buttons)
        self.form.changed.connect(self._fit)
        self.send.clicked.connect(self.wanted)
        self._fit()

    def show_entry(self, entry: Entry | None) -> None:
        """Fill in what a model says of itself, as far as nothing is typed."""
        self.entry = entry
        card = None if entry is None else entry.card
        told = {
            "authors": "" if card is None else "; ".join(card.authors),
            "licence": "" if card is None else card.licence,
            "cite": "" if card is None else "; ".join(card.cite),
            "description": "" if card is None else card.purpose,
        }
        asked = {
            "authors": "needed: name; name",
            "licence": "needed: such as CC-BY-4.0",
            "cite": "reference, DOI; …",
            "description": "what it is for",
        }
        for name, text in told.items():
            editor = self.form.editor(name).native
            editor.setPlaceholderText(text or asked[name])
        self.setEnabled(card is not None)

    def value(self) -> ExportConfig:
        """Return the settings; those that the format does not use have their defaults.

        Raises
        ------
        ConfigError
            If one cannot be used.
        """
        text = self.documentation.toPlainText().strip()
        config = replace(self.form.value(), documentation=text)
        default = ExportConfig()
        idle = {name: getattr(default, name) for name in _idle(config.format)}
        return replace(config, **idle)

    def lacking(self) -> tuple[str, ...]:
        """Return the names of fields that neither the user nor the model fills in."""
        from napari_unet_studio.tasks.export_about import missing_for

        card = None if self.entry is None else self.entry.card
        return () if card is None else missing_for(card, self.value())

    @property
    def absent(self) -> str:
        """What has to be installed for the chosen format, in a sentence; or ""."""
        return _absent(self.form.values()["format"])

    def source(self) -> Source | None:
        """Return the test image as the model takes it; None if there is none.

        Raises
        ------
        StudioError
            If it does not suit the model.
        """
        card = None if self.entry is None else self.entry.card
        if self.image.value is None or card is None:
            return None
        source = source_of(self.image.value)
        return fitting_channels(source, self.image.value, card.spec.in_channels)

    @property
    def suffix(self) -> str:
        """Of a file in the chosen format."""
        return SUFFIXES[self.form.values()["format"]]

    @property
    def kind(self) -> str:
        """What a file in the chosen format is called."""
        return KINDS[self.form.values()["format"]]

    def set_running(self, running: bool) -> None:
        """Lock the button while a job runs."""
        self.send.setEnabled(not running)

    def _fit(self) -> None:
        """Show what the format makes use of."""
        idle = _idle(self.form.values()["format"])
        for name in (*_ABOUT, "answer", "opset"):
            self.form.show_field(name, name not in idle)
        self._documentation.show("documentation" not in idle)
        remark(self.lack, self.absent, error=True)

    def _python(self) -> str:
        return self._code(export_python)

    def _shell(self) -> str:
        return self._code(export_shell)

    def _code(self, made: Callable[..., str]) -> str:
        if self.entry is None:
            return ""
        try:
            return made(self.entry, self.value(), self.image.value, self.source())
        except StudioError as error:
            self.failed.emit(error)
            return ""


def _absent(kind: str) -> str:
    """Say which packages a format needs and how they come, if they are not there."""
    extra, *needed = _NEEDED.get(kind, ("",))
    absent = [name for name in needed if not _is_installed(name)]
    if not absent:
        return ""
    return (
        f"This format needs {' and '.join(absent)}; install with pip install "
        f"'napari-unet-studio[{extra}]'."
    )


def _works(kind: str) -> bool:
    return not _absent(kind)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False


def _idle(kind: str) -> set[str]:
    """Return the settings that a format makes no use of."""
    idle = {"opset"} if kind in ("torchscript", "state_dict") else set()
    if kind != "bioimageio":
        idle |= set(_PACKAGED)
    if kind == "state_dict":
        idle.add("answer")
    return idle
