"""The Train widget as the deformation widget sees it: its recipe, and how to set it."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core.augment import AugmentConfig
from napari_unet_studio.core.config import field_types
from napari_unet_studio.core.deform import DeformConfig
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.widgets._docks import docked, in_front

if TYPE_CHECKING:
    from napari_unet_studio.widgets.train import TrainWidget


def train_widget(viewer: Any) -> "TrainWidget | None":
    """Return the Train widget that is open in a viewer, if one is."""
    from napari_unet_studio.widgets.train import TrainWidget  # slow: not for opening

    return docked(viewer, TrainWidget)


def recipe(viewer: Any, config: DeformConfig) -> tuple[TrainConfig, bool]:
    """Return how training would vary its patches with this deformation.

    Returns
    -------
    tuple
        The settings of the open Train widget, or the usual ones, with the strength and
        the grid of `config`; and whether they are those of a Train widget.
    """
    widget, settings = train_widget(viewer), TrainConfig()
    found = widget is not None
    if widget is not None:
        try:
            settings = widget.form.value()
        except StudioError:  # half a word in one of its fields
            found = False
    elastic, grid = within_limits(config)
    augment = replace(settings.augment, elastic=elastic, grid=grid)
    return replace(settings, augment=augment), found


def within_limits(config: DeformConfig) -> tuple[float, int]:
    """Return strength and grid of a deformation, at most what training allows.

    Examples
    --------
    >>> within_limits(DeformConfig(grid=20, sigma=400))
    (100.0, 16)
    """
    limits = field_types(AugmentConfig)
    elastic, grid = limits["elastic"][1]["max"], limits["grid"][1]["max"]
    return min(config.sigma, elastic), min(config.grid, grid)


def use_in_train(viewer: Any, config: DeformConfig) -> str:
    """Set strength and grid in the Train widget, which is opened if it is not open.

    Returns
    -------
    str
        What was set, for the user.
    """
    from napari_unet_studio.widgets.train import TrainWidget

    opened = train_widget(viewer) is None
    widget = in_front(viewer, TrainWidget, "Train", tabify=True)
    if widget.running:
        return (
            "Nothing was set: a training is under way. Its settings stay as they are "
            "until it ends."
        )
    elastic, grid = within_limits(config)
    widget.form.editor("augment.elastic").value = elastic
    widget.form.editor("augment.grid").value = grid
    what = f"elastic {elastic:g} px, elastic grid {grid}"
    if (elastic, grid) != (config.sigma, config.grid):
        what += " (no more is allowed in training)"
    widget.say(f"From the deformation widget: {what}; see Advanced, Augmentation.")
    where = "Train, which was opened" if opened else "Train"
    return f"Set in {where}: {what}."
