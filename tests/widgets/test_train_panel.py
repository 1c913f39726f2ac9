"""The list of findings, in the check and in the diagnosis."""

from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.findings import Finding
from napari_unet_studio.widgets._train.form import TrainForm
from napari_unet_studio.widgets._train.panel import FindingsPanel

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

WAIT = 120_000  # milliseconds


@pytest.fixture
def panel(qtbot: "QtBot") -> FindingsPanel:
    widget = FindingsPanel()
    qtbot.addWidget(widget)
    return widget


def test_the_worst_comes_first_and_all_are_counted(panel: FindingsPanel) -> None:
    kinds: list[Any] = ["note", "error", "doubt", "error"]
    panel.show_findings("Check", [Finding(k, f"{k}.", "Mend it.") for k in kinds])
    assert [f.kind for f in panel.findings] == ["error", "error", "doubt", "note"]
    assert panel.title.text() == "Check: 2 errors, 1 doubt, 1 note"
    assert all(card.fix.isHidden() for card in panel.cards)
    assert panel.cards[0].remedy.text() == "Mend it."
    panel.show_findings("Check", [])
    assert panel.cards == []
    assert "nothing" in panel.title.text()


def test_the_panel_can_be_put_away(panel: FindingsPanel) -> None:
    panel.show_findings("Check", [Finding("note", "a")], "About 1 min")
    panel.clear()
    assert panel.isHidden()
    assert panel.findings == ()
    panel.grow_stale()
    assert panel.isHidden()


def test_a_change_is_told_in_the_words_of_the_form(panel: FindingsPanel) -> None:
    changes = {"zero": "background", "split_masks": 0.0}
    panel.show_findings("Check", [Finding("doubt", "a", "b", changes)])
    tip = panel.cards[0].fix.toolTip()
    assert tip == "Set “Unpainted (0) is” to background, “Split masks (px)” to off."


def test_long_words_do_not_widen_the_panel(panel: FindingsPanel) -> None:
    panel.show_findings("Check", [Finding("error", "x" * 300, "y" * 300, {"patch": 1})])
    assert panel.minimumSizeHint().width() <= 314


def test_a_long_list_has_room_at_once_and_is_in_sight(qtbot: "QtBot") -> None:
    area, content = QScrollArea(), QWidget()
    qtbot.addWidget(area)
    form, panel = TrainForm(TrainConfig()), FindingsPanel()
    column = QVBoxLayout(content)
    for part in (form, panel):
        column.addWidget(part)
    area.setWidgetResizable(True)
    area.setWidget(content)
    area.resize(330, 400)
    with qtbot.waitExposed(area):
        area.show()
    form.advanced.expand(animate=False)
    qtbot.wait(200)
    bar = area.verticalScrollBar()
    for count in (12, 2, 20):
        found = [Finding("doubt", "Too many. " * 20, "Mend it.", {"batch": 2})] * count
        panel.show_findings("Check", found)
        # Before Qt does anything more.
        for part in (form, panel, *panel.cards):
            assert part.height() >= part.heightForWidth(part.width())
        qtbot.wait(100)
        form.advanced.collapse(animate=False)  # what is around changes its height
        qtbot.waitUntil(
            lambda: bar.value() == min(panel.y(), bar.maximum()), timeout=WAIT
        )
