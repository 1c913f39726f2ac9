"""What a shell offers after a tab."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from napari_unet_studio.core.networks.catalog import NETWORKS
from napari_unet_studio.io.registry import models_folder
from napari_unet_studio.sample_data import SAMPLES
from napari_unet_studio.tasks.recipes import RECIPES


@pytest.fixture
def complete(call: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ask as bash does: words before the last one, and how that begins."""

    def complete(line: str) -> list[str]:
        words = ["unet-studio", *line.split(" ")]
        monkeypatch.setenv("_UNET_STUDIO_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", " ".join(words))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        code, out, _ = call()
        assert code == 0
        return list(out.split("\n"))[:-1] if out.endswith("\n") else out.split("\n")

    return complete


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("wei", {"weights"}),
        ("models cop", {"copy"}),
        ("predict --aver", {"--average"}),
        ("predict --average ", {"none", "flips", "turns", "paper"}),
        ("predict --model nu", {"nuclei"}),
        ("models info stained", {"stained-nuclei"}),
        ("train --recipe ", set(RECIPES)),
        ("train --start nu", {"nuclei"}),
        ("train --loss foc", {"focal"}),
        ("networks mob", {"mobile-unet"}),
        ("models add a.pth --network ", set(NETWORKS)),
        ("demo --sample ", set(SAMPLES)),
        ("settings get memory", {"memory_limit"}),
        ("weights --preset 20", {"2015", "2019"}),
        ("export --format o", {"onnx"}),
    ],
)
def test_a_tab_offers_what_can_stand_there(
    complete: Any, line: str, words: set[str]
) -> None:
    assert words <= set(complete(line))


def test_files_of_models_and_folders_are_offered_too(complete: Any) -> None:
    Path("cells.unet").write_bytes(b"")
    Path("more").mkdir()
    Path("more/old.unet").write_bytes(b"")
    Path("notes.txt").write_text("no model")
    offered = complete("predict --model ")
    assert {"nuclei", "cells.unet", "more/"} <= set(offered)
    assert "notes.txt" not in offered
    assert complete("predict --model more/") == ["more/old.unet"]


def test_only_models_that_can_be_changed_are_offered_to_be_changed(
    complete: Any,
) -> None:
    own = models_folder() / "to be renamed.unet"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_bytes(b"")
    try:
        offered = complete("models rename ")
    finally:
        own.unlink()
    assert "to be renamed" in offered
    assert "nuclei" not in offered


def test_a_tab_does_not_wait_for_torch() -> None:
    code = (
        "import sys\nfrom napari_unet_studio.cli import main\n"
        "try:\n    main()\nfinally:\n    assert 'torch' not in sys.modules"
    )
    for line in ("unet-studio compare --model ", "unet-studio train --recipe "):
        asked = {
            "_UNET_STUDIO_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": "3",
        }
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **asked},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout
