"""How a network runs over images, as far as it makes a difference."""

from collections.abc import Collection
from dataclasses import fields, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.widgets._form import Form
from napari_unet_studio.widgets._settings import begun_with, follow_start

if TYPE_CHECKING:
    from napari_unet_studio.io.model import ModelCard


class NetworkForm(QWidget):
    """Edits a :class:`.PredictConfig`, as far as a model and an image make use of it.

    Attributes
    ----------
    form
        The form; its rows are shown by :meth:`fit`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.form = Form(begun_with(PredictConfig()))
        follow_start(self, self.form)
        self._hidden: frozenset[str] = frozenset()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.form)

    def fit(self, card: "ModelCard | None", unit: str) -> None:
        """Hide what makes no difference to a model and an image.

        Parameters
        ----------
        card
            Of the model, if there is one.
        unit
            Of the image's pixel size: "um" or "pixel".
        """
        self._hidden = frozenset(idle_settings(card, unit))
        for field in fields(PredictConfig):
            self.form.show_field(field.name, field.name not in self._hidden)

    def value(self) -> PredictConfig:
        """Return the settings; those that are hidden have their defaults.

        Raises
        ------
        ConfigError
            If they contradict each other.
        """
        default = PredictConfig()
        idle = {name: getattr(default, name) for name in self._hidden}
        return replace(self.form.value(), **idle)


def idle_settings(card: "ModelCard | None", unit: str) -> Collection[str]:
    """Return the settings of a prediction that change nothing.

    Examples
    --------
    >>> sorted(set(idle_settings(None, "pixel")) - {"engine"})
    ['heads', 'level', 'pixel_size']
    """
    idle = []
    spec = None if card is None else card.spec
    if spec is None or spec.family != "unet++" or spec.num_heads < 2:
        idle += ["level", "heads"]
    if card is None or card.spacing is None or card.unit != "um" or unit != "um":
        idle.append("pixel_size")
    if find_spec("openvino") is None:
        idle.append("engine")
    return idle
