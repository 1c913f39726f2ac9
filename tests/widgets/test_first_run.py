"""What a stranger sees first: how to begin, where it computes, and readable colours."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.utils.theme import get_theme
from npe2 import PluginManifest
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QApplication, QLabel

from napari_unet_studio.sample_data import layer_tuples, nuclei_2d, tissue_rgb
from napari_unet_studio.tasks.installation import Installation, remedy_for
from napari_unet_studio.tasks.nvidia import Gpu
from napari_unet_studio.widgets import _colours
from napari_unet_studio.widgets._colours import (
    DOUBT,
    FOCUS,
    NOTE,
    ON_DARK,
    ON_LIGHT,
    REMARK,
    WRONG,
    ink,
    on_dark,
    tinted,
)
from napari_unet_studio.widgets._welcome import TITLES

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_unet_studio.widgets._base import StudioWidget

PLUGIN = "napari-unet-studio"
FOUND = PluginManifest.from_distribution(PLUGIN).contributions
WITH_HINT = (
    "Segment",
    "Train",
    "Separation weights",
    "Elastic deformation",
    "Object table",
    "Inspect",
    "Compare",
)
COMPUTING = ("Segment", "Train", "Inspect", "Compare", "Batch")
WAIT = 30_000  # milliseconds

pytestmark = pytest.mark.usefixtures("home")


def opened(viewer: "Viewer", title: str) -> Any:
    return viewer.window.add_plugin_dock_widget(PLUGIN, title)[1]


# -- how to begin ----------------------------------------------------------------------


def test_the_samples_have_the_names_of_the_menu() -> None:
    assert {each.key: each.display_name for each in FOUND.sample_data or ()} == TITLES


@pytest.mark.parametrize("title", WITH_HINT)
def test_an_empty_viewer_is_told_how_to_begin(viewer: "Viewer", title: str) -> None:
    dock: StudioWidget = opened(viewer, title)
    assert dock.hint is not None
    assert not dock.hint.isHidden()
    key, button = next(iter(dock.hint.buttons.items()))
    assert TITLES[key] in button.text()
    button.click()
    assert [type(layer).__name__ for layer in viewer.layers] == ["Image", "Labels"]
    assert dock.hint.isHidden()
    viewer.layers.clear()
    assert not dock.hint.isHidden()


@pytest.mark.parametrize("title", ["Segment", "Train"])
def test_three_samples_are_offered_where_one_begins(
    viewer: "Viewer", title: str
) -> None:
    hint = opened(viewer, title).hint
    assert len(hint.buttons) == 3
    for key in hint.buttons:
        viewer.layers.clear()
        hint.open(key)
        assert len(viewer.layers) == 2


def test_labels_alone_do_not_help_a_dock_that_needs_an_image(viewer: "Viewer") -> None:
    dock = opened(viewer, "Segment")
    viewer.add_labels(np.zeros((8, 8), int))
    assert not dock.hint.isHidden()
    viewer.add_image(np.zeros((8, 8)))
    assert dock.hint.isHidden()


def test_an_image_in_colours_is_offered_the_model_for_it(viewer: "Viewer") -> None:
    segment = opened(viewer, "Segment")
    for made in (nuclei_2d((64, 64)), tissue_rgb((64, 64))):
        data, options, _ = layer_tuples(made)[0]
        viewer.add_image(data, **options)
    grey, colours = viewer.layers
    segment.models.choose("nuclei")
    segment.image.value = grey
    assert segment.stained.isHidden()
    segment.image.value = colours
    assert not segment.stained.isHidden()
    segment.stained.button.click()
    assert segment.models.combo.currentText() == "stained-nuclei"
    assert segment.stained.isHidden()


# -- where it computes -----------------------------------------------------------------


@pytest.mark.parametrize("title", COMPUTING)
def test_a_dock_that_computes_says_where(
    viewer: "Viewer", title: str, qtbot: "QtBot"
) -> None:
    dock = opened(viewer, title)
    dock.device_line.begin()  # by itself when it is shown
    qtbot.waitUntil(lambda: bool(dock.device_line.line.text()), timeout=WAIT)
    assert "torch" in dock.device_line.line.text()


def test_a_gpu_that_torch_cannot_use_comes_with_a_line_to_copy(
    viewer: "Viewer",
) -> None:
    line = opened(viewer, "Segment").device_line
    gpu = Gpu("NVIDIA GeForce RTX 4090", "580.65.06", 24 * 2**30, (8, 9))
    remedy = remedy_for("CPU", "2.13.0", (gpu,))
    assert remedy is not None
    found = Installation(
        *("3.13.1", "Windows 11, AMD64", "2.13.0", "CPU", "cpu", "CPU, 8 cores"),
        memory=2**35,
        gpus=(gpu,),
        remedy=remedy,
    )
    box = line.remedy
    line.show_found(found)
    assert "CPU build" in line.line.text()
    assert not box.isHidden()
    assert "RTX 4090" in box.reason.text()
    assert box.advice.isHidden()
    box.how.click()
    assert not box.advice.isHidden()
    assert box.command.text() == remedy.command
    box.copy.click()
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    assert clipboard.text() == remedy.command
    line.show_found(Installation(**{**vars(found), "remedy": None}))
    assert box.isHidden()


# -- colours ---------------------------------------------------------------------------


def luminance(colour: Any) -> float:
    """Return the relative luminance of WCAG 2."""
    parts = np.array(QColor(colour).getRgbF()[:3])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one: Any, other: Any) -> float:
    """Return the contrast of WCAG 2, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def of_theme(theme: str, name: str) -> QColor:
    """Return a colour of a theme of napari."""
    numbers = re.findall(r"\d+", str(get_theme(theme).to_rgb_dict()[name]))
    return QColor(*map(int, numbers[:3]))


@pytest.mark.parametrize(("theme", "inks"), [("dark", ON_DARK), ("light", ON_LIGHT)])
def test_texts_can_be_read_in_both_themes(theme: str, inks: Any) -> None:
    for paper in ("background", "foreground"):
        for tone in (WRONG, DOUBT, NOTE, REMARK):
            assert contrast(inks[tone], of_theme(theme, paper)) >= 4.5, (tone, paper)
    # What is no text may do with less; it is around controls too.
    for paper in ("background", "foreground", "primary"):
        assert contrast(inks[FOCUS], of_theme(theme, paper)) >= 3, paper


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_curves_can_be_seen_in_both_themes(theme: str) -> None:
    from napari_unet_studio.widgets._axes import COLOURS

    for colour in COLOURS:
        assert contrast(QColor(colour), of_theme(theme, "background")) >= 3, colour


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_text_has_the_colour_of_its_tone_in_the_theme(
    viewer: "Viewer", theme: str, qtbot: "QtBot"
) -> None:
    dock = opened(viewer, "Segment")
    label = QLabel("text")
    dock.body.addWidget(label)
    viewer.theme = "light" if theme == "dark" else "dark"
    dock.looks.follow()
    tinted(label, WRONG)
    viewer.theme = theme
    wanted = QColor((ON_DARK if theme == "dark" else ON_LIGHT)[WRONG])
    qtbot.waitUntil(
        lambda: label.palette().color(label.foregroundRole()) == wanted, timeout=WAIT
    )
    text = of_theme(theme, "text")
    assert on_dark(text) == (theme == "dark")
    assert ink(WRONG, text) == wanted
    tinted(label)
    assert label.palette().color(label.foregroundRole()) != wanted


def test_no_dock_has_colours_of_texts_of_its_own() -> None:
    folder = Path(_colours.__file__).parent
    for file in folder.rglob("*.py"):
        if file.name in ("_colours.py", "_looks.py"):
            continue
        sheets = re.findall(r"setStyleSheet\((.*)\)", file.read_text("utf-8"))
        assert not [each for each in sheets if "color" in each], file


# Brettel, Viénot and Mollon (1997) as simplified by Viénot, Brettel and Mollon (1999),
# for linear RGB.
DEFICIENT = {
    "protanopia": [
        [0.11238, 0.88762, 0],
        [0.11238, 0.88762, 0],
        [0.00401, -0.00401, 1],
    ],
    "deuteranopia": [
        [0.29275, 0.70725, 0],
        [0.29275, 0.70725, 0],
        [-0.02234, 0.02234, 1],
    ],
}


def seen(colour: str, deficiency: str) -> np.ndarray:
    """Return a colour in CIE L*a*b* as somebody with a deficiency sees it."""
    from skimage.color import rgb2lab

    parts = np.array(QColor(colour).getRgbF()[:3])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(DEFICIENT[deficiency]) @ linear, 0, 1)
    shown = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055
    )
    return np.asarray(rgb2lab(shown))


def palettes() -> dict[str, list[str]]:
    """Return the colours that tell things apart, by what they tell apart.

    Boxes of a diagram are not among them: place and tooltip say what they are.
    """
    from napari_unet_studio.layers import errors
    from napari_unet_studio.widgets._axes import COLOURS
    from napari_unet_studio.widgets._inspect.drawing import LINES

    return {
        "curves": list(COLOURS),
        "errors": [str(each)[:7] for each in errors.COLOURS.values()],
        "links of the diagram": [colour for colour, _ in LINES.values()],
    }


@pytest.mark.parametrize("deficiency", list(DEFICIENT))
def test_colours_are_told_apart_without_red_or_green_cones(deficiency: str) -> None:
    for name, colours in palettes().items():
        different = list(dict.fromkeys(colours))
        for i, one in enumerate(different):
            for other in different[:i]:
                apart = np.linalg.norm(seen(one, deficiency) - seen(other, deficiency))
                assert apart > 10, (name, one, other)
