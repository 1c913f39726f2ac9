"""The check before a training, the diagnosis after it."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from napari.layers import Image, Labels
from qtpy.QtWidgets import QApplication
from superqt.utils import WorkerBase

from napari_unet_studio.io.registry import load_model, models_folder
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.findings import Finding
from napari_unet_studio.widgets._train.checkpoints import trainings_folder
from napari_unet_studio.widgets.train import TrainWidget

if TYPE_CHECKING:
    from napari import Viewer

WAIT = 120_000  # milliseconds

pytestmark = pytest.mark.usefixtures("home")


def texts(widget: TrainWidget, kind: str) -> str:
    """Return what was found of a kind."""
    found = [str(f) for f in widget.panel.findings if f.kind == kind]
    return "\n".join(found)


def test_a_check_says_what_it_takes_and_trains_nothing(
    layers: tuple[Image, Labels], widget: TrainWidget, finish: Any
) -> None:
    assert widget.panel.isHidden()
    widget.actions.check.click()
    assert widget.running
    assert widget.training is None
    assert not widget.run_button.isEnabled()
    assert widget.actions.leave.isVisibleTo(widget)
    assert not widget.actions.pause.isVisibleTo(widget)
    finish(widget)
    assert not widget.panel.isHidden()
    assert "GB" in widget.panel.expected.text() or "MB" in widget.panel.expected.text()
    assert "CPU" in widget.panel.expected.text()
    assert "CPU" in widget.device.text()
    assert "are free" in widget.device.text()
    assert not models_folder().exists() or not list(models_folder().iterdir())
    assert not trainings_folder().exists()
    assert widget.actions.check.isEnabled()
    assert widget.course.isHidden()
    assert "Checked" in widget.status.text()


def test_a_remedy_is_applied_by_its_button(
    layers: tuple[Image, Labels], widget: TrainWidget, finish: Any, tiny: Any
) -> None:
    layers[1].data = np.arange(96 * 96).reshape(96, 96) // 90 % 90 + 1
    widget.form.set(tiny(target="classes"))
    widget.check()
    finish(widget)
    assert "error" in widget.panel.title.text()
    (card,) = (c for c in widget.panel.cards if c.finding.changes.get("target"))
    assert "“Target” to objects" in card.fix.toolTip()
    assert widget.panel.stale.isHidden()
    card.fix.click()
    assert widget.form.value().target == "objects"
    assert "Set “Target” to objects" in widget.status.text()
    assert card.fix.text() == "Done"
    assert not card.fix.isEnabled()
    assert not widget.panel.stale.isHidden()
    assert widget.panel.expected.isHidden()
    widget.check()
    finish(widget)
    assert not texts(widget, "error")


def test_a_mask_whose_objects_hang_together_can_be_split(
    viewer: "Viewer", widget: TrainWidget, finish: Any, sample: Any
) -> None:
    y, x = np.mgrid[:96, :96]
    discs = [(y - 24) ** 2 + (x - c) ** 2 < 15**2 for c in (20, 44, 70)]
    viewer.add_image(sample.image, name="a")
    viewer.add_labels(np.any(discs, axis=0).astype(np.uint8), name="a mask")
    recipe = TrainConfig()
    widget.form.set(recipe)
    widget.check()
    finish(widget)
    (card,) = (c for c in widget.panel.cards if "split_masks" in c.finding.changes)
    assert "hang together" in card.finding.text
    card.fix.click()
    assert widget.form.value() == replace(recipe, split_masks=4.0)
    assert widget.form.recipe.currentText() == "modern"
    widget.check()
    finish(widget)
    assert "hang together" not in texts(widget, "doubt")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is such a device here")
def test_a_device_that_is_not_there_is_a_finding_with_a_remedy(
    layers: tuple[Image, Labels], widget: TrainWidget, finish: Any, tiny: Any
) -> None:
    widget.form.set(tiny(device="cuda"))
    # Nor is a model that is not saved yet in the way of a check.
    widget.unsaved.model = load_model("nuclei")
    widget.check()
    finish(widget)
    assert "'cuda'" in texts(widget, "error")
    assert widget.actions.save.isVisibleTo(widget)
    (card,) = (c for c in widget.panel.cards if "device" in c.finding.changes)
    card.fix.click()
    assert widget.form.value().device == "auto"
    widget.run()
    assert not widget.running
    assert "not saved yet" in widget.status.text()


def test_a_check_of_other_data_hides_the_curves_of_those_before(
    layers: tuple[Image, Labels], widget: TrainWidget, finish: Any
) -> None:
    widget.run()
    finish(widget)
    widget.check()
    assert not widget.course.isHidden()
    widget.cancel()
    finish(widget)
    widget.table.change(0, 2, "validate")
    widget.check()
    assert widget.course.isHidden()
    widget.cancel()
    finish(widget)


def test_a_remedy_that_does_not_fit_is_said(
    layers: tuple[Image, Labels], widget: TrainWidget
) -> None:
    before = widget.form.value()
    widget.panel.show_findings("Check", [Finding("doubt", "a", "b", {"patch": -5})])
    widget.panel.cards[0].fix.click()
    assert "patch" in widget.status.text()
    assert widget.form.value() == before
    assert widget.panel.cards[0].fix.text() == "Fix"
    assert widget.panel.cards[0].fix.isEnabled()


def test_errors_stop_the_training_before_it_begins(
    sample: Any, viewer: "Viewer", widget: TrainWidget, finish: Any
) -> None:
    image = viewer.add_image(np.full((96, 96), 7.0), name="flat")
    labels = viewer.add_labels(sample.labels[:90], name="smaller")
    good = viewer.add_image(sample.image), viewer.add_labels(sample.labels)
    widget.set_pairs([(image, labels, "train"), (*good, "train")])
    widget.run()
    finish(widget)
    assert "flat" in texts(widget, "error")
    assert "Not started" in widget.status.text()
    assert not list(trainings_folder().iterdir())
    widget.table.change(0, 2, "off")
    assert not widget.panel.stale.isHidden()
    widget.run()
    finish(widget)
    assert load_model("my model").card.training["updates"] == 6


def test_doubts_are_shown_and_the_training_goes_on(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    tiny: Any,
) -> None:
    widget.form.set(tiny(updates=100_000, patch=128))
    layers[1].data = np.where(layers[1].data == 3, 3, 0)
    under_way(widget, 1)
    assert "1 connected piece" in texts(widget, "doubt")
    assert any(card.finding.changes for card in widget.panel.cards)
    assert all(not card.fix.isEnabled() for card in widget.panel.cards)
    widget.discard()
    finish(widget)
    fixes = [card.fix for card in widget.panel.cards if card.finding.changes]
    assert all(fix.isEnabled() for fix in fixes)


def test_nothing_to_check_is_said(widget: TrainWidget) -> None:
    widget.check()
    assert not widget.running
    assert "nothing to train on" in widget.status.text()


def test_a_check_is_no_place_for_impatience(
    layers: tuple[Image, Labels], widget: TrainWidget, finish: Any
) -> None:
    for _ in range(3):
        widget.actions.check.click()
        widget.check()
        widget.run()
    job = widget.job
    widget.pause()
    assert widget.training is None
    for _ in range(3):
        widget.actions.leave.click()
        widget.cancel()
    assert widget.job is job
    finish(widget)
    assert widget.run_button.isEnabled()
    assert widget.actions.check.isVisibleTo(widget)
    widget.run()
    finish(widget)
    assert load_model("my model").card.training["updates"] == 6


def test_a_training_can_be_stopped_while_it_is_checked(
    layers: tuple[Image, Labels], widget: TrainWidget, finish: Any
) -> None:
    for stop in (widget.cancel, widget.discard):
        widget.run()
        stop()
        finish(widget)
        assert not list(models_folder().glob("*"))
        assert not list(trainings_folder().iterdir())
        assert "saved" in widget.status.text() or "nothing" in widget.status.text()


def test_the_dock_can_be_closed_in_a_check(
    viewer: "Viewer", layers: tuple[Image, Labels], widget: TrainWidget
) -> None:
    widget.check()
    viewer.window.remove_dock_widget(widget)
    WorkerBase.await_workers(WAIT)
    for _ in range(3):
        QApplication.processEvents()
    assert [layer.name for layer in viewer.layers] == ["nuclei", "nuclei labels"]


def test_napari_can_be_closed_in_a_check(
    layers: tuple[Image, Labels], widget: TrainWidget
) -> None:
    widget.check()


def test_a_training_ends_with_a_diagnosis(
    layers: tuple[Image, Labels], widget: TrainWidget, finish: Any, tiny: Any
) -> None:
    widget.form.set(tiny(updates=1, learning_rate=1e-7))
    widget.run()
    finish(widget)
    assert widget.panel.title.text().startswith("Diagnosis")
    noted = load_model("my model").card.training["notes"]
    shown = "\n".join(str(finding) for finding in widget.panel.findings)
    assert noted
    for note in noted:
        assert note[:30] in shown or "everywhere" in shown
    assert len({finding.text for finding in widget.panel.findings}) == len(
        widget.panel.findings
    )


def test_a_training_that_cannot_be_resumed_is_doubted(
    layers: tuple[Image, Labels], widget: TrainWidget, finish: Any
) -> None:
    widget.run()
    assert widget.training is not None
    file = widget.training.checkpoint
    assert file is not None
    file.unlink()
    file.mkdir()  # in the way of the checkpoint
    finish(widget)
    (doubt,) = (f for f in widget.panel.findings if "resumed" in f.text)
    assert doubt.kind == "doubt"
    assert doubt.remedy == "Make room there before the next training."
    assert doubt.text.endswith("could not be written: Is a directory.")
