"""The settings of a training: recipes, fields that come and go, words for zero."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from napari.layers import Image, Labels
from qtpy.QtWidgets import QLabel, QWidget

from napari_unet_studio.core.loss_names import LOSS_NAMES
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.recipes import ABOUT, RECIPES
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.widgets._model_choice import OPEN
from napari_unet_studio.widgets._train.form import TrainForm
from napari_unet_studio.widgets._train.presets import CUSTOM, applied, recipe_of
from napari_unet_studio.widgets.train import TrainWidget

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def form(qtbot: "QtBot") -> TrainForm:
    widget = TrainForm(TrainConfig())
    qtbot.addWidget(widget)
    return widget


def shown(form: TrainForm, name: str) -> bool:
    """Return whether the row of a field is to be seen, sections opened."""
    return not form.editor(name).native.isHidden()


def choose(form: TrainForm, recipe: str) -> None:
    """Choose a recipe as a user does."""
    form.recipe.setCurrentText(recipe)
    form.recipe.activated.emit(form.recipe.currentIndex())


# -- recipes --------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_fills_the_form_and_is_named_until_something_is_edited(
    name: str, form: TrainForm
) -> None:
    choose(form, name)
    assert form.value() == RECIPES[name]
    assert form.recipe.currentText() == name
    assert ABOUT[name] in form.recipe.toolTip()
    form.editor("batch").value = 7
    assert form.recipe.currentText() == CUSTOM
    form.editor("batch").value = RECIPES[name].batch
    assert form.recipe.currentText() == name


def test_a_recipe_leaves_what_was_said_of_the_data(form: TrainForm) -> None:
    mine = {"target": "classes", "zero": "unlabelled", "ignore": 9, "device": "cpu"}
    mine |= {"split_masks": 4.0}
    form.set(replace(TrainConfig(), **mine, network="unet-3d"))
    choose(form, "quick look")
    found = form.value()
    assert {name: getattr(found, name) for name in mine} == mine
    assert (found.network, found.patch, found.minutes) == ("unet-3d", 0, 2.0)
    assert form.recipe.currentText() == "quick look"
    choose(form, "paper 2015")
    assert form.value().network == "unet-3d"
    form.set(replace(form.value(), network="unet-32"))
    choose(form, "paper 2015")
    assert form.value().network == "unet-2015"


def test_recipes_come_back(form: TrainForm) -> None:
    for name in ("paper 2015", "modern", "quick look", "paper 2015", "quick look"):
        choose(form, name)
        assert form.value() == RECIPES[name]
        assert form.recipe.currentText() == name


def test_custom_is_no_recipe_to_follow(form: TrainForm) -> None:
    before = form.value()
    choose(form, CUSTOM)
    assert form.value() == before
    assert form.recipe.currentText() == "modern"


def test_changes_are_told_once(form: TrainForm, qtbot: "QtBot") -> None:
    seen: list[bool] = []
    form.changed.connect(lambda: seen.append(True))
    choose(form, "paper 2015")
    assert len(seen) == 1
    choose(form, "paper 2015")
    assert len(seen) == 1


def test_every_recipe_survives_half_a_word(form: TrainForm) -> None:
    form.editor("loss").value = "focal + di"
    assert form.recipe.currentText() == CUSTOM
    choose(form, "modern")
    assert form.value() == RECIPES["modern"]


def test_recipes_are_told_apart() -> None:
    assert [recipe_of(config) for config in RECIPES.values()] == list(RECIPES)
    assert recipe_of(applied("fine-tune", TrainConfig(start="mine"))) == "fine-tune"


# -- fields that come and go ----------------------------------------------------------


def test_a_label_for_background_is_asked_where_zero_is_unlabelled(
    form: TrainForm,
) -> None:
    assert not shown(form, "background")
    form.editor("zero").value = "unlabelled"
    assert shown(form, "background")
    assert "background with label 1" in form.explanation.text()
    form.editor("background").value = 5
    assert "background with label 5" in form.explanation.text()
    form.editor("target").value = "classes"
    assert not shown(form, "background")
    assert "neither teach nor count" in form.explanation.text()
    assert form.value().background == 5


def test_fields_are_shown_where_they_make_a_difference(form: TrainForm) -> None:
    assert not shown(form, "fit_pooling")
    assert not shown(form, "head_weights")
    form.editor("network").value = "unet++-3d"
    assert shown(form, "fit_pooling")
    assert shown(form, "head_weights")


def test_a_training_goes_on_from_a_model_at_hand(
    form: TrainForm, home: Path, tmp_path: Path
) -> None:
    start = form.start
    load_model("nuclei").renamed("mine").save(home / "models" / "mine.unet")
    start.showPopup()
    start.hidePopup()
    texts = [start.itemText(i) for i in range(start.count())]
    assert {"nuclei", "mine", OPEN} <= set(texts)
    start.setCurrentIndex(texts.index("mine"))
    start.activated.emit(texts.index("mine"))
    assert form.value().start == "mine"
    assert not shown(form, "network")
    assert not shown(form, "width")
    assert "Goes on from mine: U-Net, 2D" in form.explanation.text()
    start.setCurrentIndex(0)
    start.activated.emit(0)
    assert form.value().start == ""
    assert shown(form, "network")


def test_a_model_that_is_not_there_is_named(form: TrainForm, tmp_path: Path) -> None:
    path = str(tmp_path / "gone.unet")
    form.set(TrainConfig(start=path))
    assert form.value().start == path
    assert form.start.currentText() == "gone"
    assert "cannot be read" in form.explanation.text()
    form.set(TrainConfig())
    assert form.start.findText("gone") < 0


def test_words_stand_for_zero(form: TrainForm) -> None:
    for name in ("minutes", "epochs", "ignore", "patch", "patience", "ema"):
        text = form.editor(name).native.text()
        assert not any(letter.isdigit() for letter in text), name
    form.editor("minutes").value = 2.5
    assert "2.5" in form.editor("minutes").native.text()
    assert form.value().minutes == 2.5


def test_a_training_without_an_end_is_refused(
    layers: tuple[Image, Labels], widget: TrainWidget
) -> None:
    widget.form.editor("updates").value = 0
    assert "never end" in widget.form.explanation.text()
    for press in (widget.run, widget.check, widget.script, widget.command):
        widget.say("")
        assert not press()
        assert not widget.running
        assert "never end" in widget.status.text()
    widget.form.editor("minutes").value = 1
    assert widget.form.value().updates == 0


# -- the look -------------------------------------------------------------------------


def test_everything_fits_into_330_pixels(
    layers: tuple[Image, Labels], widget: TrainWidget
) -> None:
    form = widget.form
    form.advanced.expand(animate=False)
    form.set(
        replace(
            form.value(), network="unet++-3d", zero="unlabelled", start="", ignore=2
        )
    )
    widget.course.setVisible(True)
    content: Any = widget.body.parentWidget()
    for part in (content, widget.course, widget.actions):
        assert part.minimumSizeHint().width() <= 330 - 2 * 8, part
    assert widget.minimumWidth() == 330
    # Nor does it open wider than a small screen can spare, whatever there is to read.
    assert widget.sizeHint().width() <= 400
    for label in form.findChildren(QLabel):
        if label.buddy() is None and not label.wordWrap() and not label.isHidden():
            wanted = label.fontMetrics().horizontalAdvance(label.text())
            assert wanted < 150, label.text()


def test_nothing_can_be_set_while_a_training_runs(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    tiny: Any,
) -> None:
    widget.form.set(tiny(updates=100_000))
    under_way(widget)
    form = widget.form
    editors: list[QWidget] = [form.recipe, form.start, form.editor("updates").native]
    assert not any(editor.isEnabled() for editor in editors)
    assert not widget.table.isEnabled()
    widget.discard()
    finish(widget)
    assert all(editor.isEnabled() for editor in editors)


def test_the_loss_is_chosen_or_typed(widget: TrainWidget, tiny: Any) -> None:
    box = widget.form.editor("loss")
    combo = box.native
    assert combo.isEditable()
    offered = [combo.itemText(i) for i in range(combo.count())]
    assert tuple(offered) == LOSS_NAMES
    seen: list[str] = []
    box.changed.connect(seen.append)
    combo.setCurrentIndex(offered.index("unet3+"))
    assert widget.form.value().loss == seen[-1] == "unet3+"
    combo.setEditText("0.5 focal + dice")
    assert widget.form.value().loss == seen[-1] == "0.5 focal + dice"
    assert "0.5 focal + dice" in widget.script()
    widget.form.advanced.expand()
    assert widget.form.value().loss == "0.5 focal + dice"
    widget.form.set(tiny(loss="iou + focal"))
    assert combo.currentText() == "iou + focal"
    assert combo.count() == len(LOSS_NAMES)


def test_a_loss_that_does_not_exist_is_named_when_it_is_needed(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    tiny: Any,
) -> None:
    widget.form.editor("loss").value = "focal + di"
    widget.run()
    assert not widget.running
    assert "no loss 'di'" in widget.status.text()
    assert widget.script() == ""
    widget.form.set(tiny())
    assert widget.form.value() == tiny()
