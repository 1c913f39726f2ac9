"""Does what the tutorials say in a real napari, and takes their pictures.

Run ``python docs/tutorials/draw.py`` on a screen of 1600 x 1000 or more, with names of
pages to draw only those; the pictures go to ``docs/images/tutorials``. ``--words FILE``
writes what was pressed and what could be read, which a test compares with the pages;
``--quick`` trains for a moment only.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

# Names of models are free in an empty folder, and nobody's models are on the pictures.
_HOME = tempfile.TemporaryDirectory(prefix="tutorials-", ignore_cleanup_errors=True)
os.environ["UNET_STUDIO_HOME"] = str(Path(_HOME.name, "home"))
os.environ["NAPARI_CONFIG"] = str(Path(_HOME.name, "napari.yaml"))

from hands import Hands  # noqa: E402

from napari_unet_studio.sample_data import SAMPLES  # noqa: E402

IMAGES = Path(__file__).resolve().parents[1] / "images" / "tutorials"
_SAMPLE = "File ▸ Open Sample ▸ U-Net Studio ▸ "
_SEGMENT = "Layers ▸ Segment ▸ Segment (U-Net Studio)"
_TRAIN = "Layers ▸ Segment ▸ Train (U-Net Studio)"
_WEIGHTS = "Layers ▸ Annotate ▸ Separation weights (U-Net Studio)"
_QUICK = 6  # updates


def nuclei(hands: Hands, quick: bool) -> None:
    """Segment, settle the objects, measure them."""
    hands.menu(_SAMPLE + "Fluorescent nuclei (2D)")
    hands.hide("Nuclei labels")
    hands.menu(_SEGMENT)
    hands.set("Image", "Nuclei")
    hands.set("Model", "nuclei")
    hands.press("Segment")
    hands.wait()
    hands.picture("nuclei-segment")
    hands.set("Threshold", 0.7)
    hands.press("Auto")
    hands.set("Min size", 100)
    hands.press("Table")
    hands.look_at("Object table")
    hands.wait()
    hands.dock.view.selectRow(20)
    hands.picture("nuclei-table")
    hands.dock.export(Path(_HOME.name, "objects.csv"))


def own_labels(hands: Hands, quick: bool) -> None:
    """Paint a part, train, look, stop and keep, use."""
    hands.menu(_SAMPLE + "Cells in phase contrast (2D)")
    hands.delete("Phase contrast cells labels")
    hands.choose_layer("Phase contrast cells")
    hands.menu("File ▸ New Layer ▸ Labels")
    painted = hands.layer("Phase contrast cells - Labels")
    painted.data = painted_part()
    hands.menu(_TRAIN)
    hands.press("Add all that fit")
    hands.set("Unpainted (0) is", "unlabelled")
    short_training(hands, quick, 300, "my cells")
    hands.press("Check")
    hands.wait()
    hands.press("Train")
    hands.wait_until(0.7)
    hands.picture("own-labels-train")
    if hands.dock.running:
        hands.press("Stop and keep")
    else:  # --quick is over already
        hands.used.append("Stop and keep")
    hands.wait()
    hands.menu(_SEGMENT)
    hands.set("Image", "Phase contrast cells")
    hands.set("Model", "my cells")
    hands.press("Segment")
    hands.wait()
    hands.picture("own-labels-segment")


def short_training(hands: Hands, quick: bool, updates: int, name: str) -> None:
    """Set up a training that ends soon."""
    hands.set("Updates", _QUICK if quick else updates)
    hands.set("Model name", name)
    hands.unfold("Advanced")
    hands.unfold("Patches")
    hands.set("Patch (px)", 32 if quick else 128)
    hands.set("Batch size", 2)
    hands.unfold("Optimiser")
    hands.set("Learning rate", 0.002)


def painted_part() -> np.ndarray:
    """Return what somebody painted: a part of the sample, its background with 1."""
    labels = SAMPLES["phase_cells_2d"]().labels
    painted = np.zeros_like(labels)
    part = np.s_[:384, :384]
    painted[part] = labels[part] + 1
    return painted


def membranes(hands: Hands, quick: bool) -> None:
    """Learn cells between membranes."""
    hands.menu(_SAMPLE + "Membranes in electron microscopy (2D)")
    hands.menu(_WEIGHTS)
    hands.set("Labels", "EM membranes labels")
    hands.press("Show weights")
    hands.wait()
    hands.picture("membranes-weights")
    hands.menu(_TRAIN)
    short_training(hands, quick, 200, "cells of tissue")
    hands.press("Train")
    hands.wait()
    hands.menu(_SEGMENT)
    hands.set("Image", "EM membranes")
    hands.set("Model", "cells of tissue")
    hands.press("Segment")
    hands.wait()
    hands.hide("EM membranes labels")
    hands.picture("membranes-segment")


def touching(hands: Hands, quick: bool) -> None:
    """Look at the weights between touching nuclei."""
    hands.menu(_SAMPLE + "Fluorescent nuclei (2D)")
    hands.menu(_WEIGHTS)
    hands.set("Labels", "Nuclei labels")
    hands.press("Show weights")
    hands.wait()
    hands.set("Width σ", 10)
    hands.set("Width σ", 5)
    hands.tick("Show the carved target")
    hands.wait()
    hands.picture("touching-weights")
    hands.menu(_TRAIN)
    hands.unfold("Advanced")
    hands.unfold("Pixel weights")


def volumes(hands: Hands, quick: bool) -> None:
    """Segment a stack plane by plane, and tune the model for it."""
    hands.menu(_SAMPLE + "Nuclei in a volume (3D)")
    hands.hide("Nuclei 3D labels")
    hands.menu(_SEGMENT)
    hands.set("Image", "Nuclei 3D")
    hands.set("Model", "nuclei")
    hands.press("Segment")
    hands.wait()
    hands.set("Threshold", 0.7)
    hands.set("Split at necks", 1)
    hands.picture("volumes-segment")
    hands.menu(_TRAIN)
    hands.set("Recipe", "fine-tune")
    hands.set("Updates", _QUICK if quick else 150)
    hands.set("Model name", "my nuclei")
    hands.unfold("Advanced")
    hands.unfold("Patches")
    hands.set("Patch (px)", 32 if quick else 64)
    hands.unfold("Optimiser")
    hands.set("Learning rate", 0.001)
    hands.press("Train")
    hands.wait()
    hands.look_at("Segment")
    hands.set("Model", "my nuclei")
    hands.press("Segment")
    hands.wait()


PAGES: dict[str, Callable[[Hands, bool], None]] = {
    "nuclei": nuclei,
    "own-labels": own_labels,
    "membranes": membranes,
    "touching": touching,
    "volumes": volumes,
}


def main() -> None:
    """Draw the pages that were asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", choices=(*PAGES, []), metavar="PAGE")
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--words", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    words = {}
    for page in options.pages or PAGES:
        hands = Hands(options.out)
        PAGES[page](hands, options.quick)
        hands.close()
        words[page] = {"used": hands.used, "seen": sorted(hands.seen)}
    if options.words is not None:
        options.words.write_text(json.dumps(words))


if __name__ == "__main__":
    main()
