"""Help that teaches: what it lists is there, and its examples run."""

import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

import napari_unet_studio
from napari_unet_studio.cli.app import COMMANDS, app
from napari_unet_studio.cli.examples import CODES, EXAMPLES
from napari_unet_studio.cli.lazy import load
from napari_unet_studio.core.config import Config, field_types
from napari_unet_studio.core.displacement import DeformConfig
from napari_unet_studio.core.measure import MeasureConfig
from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.sample_data import nuclei_2d
from napari_unet_studio.tasks.export_config import ExportConfig
from napari_unet_studio.tasks.inspect_config import InspectConfig
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.train_config import TrainConfig

CONFIGS: dict[str, type[Config]] = {
    "compare": PredictConfig,
    "deform": DeformConfig,
    "export": ExportConfig,
    "inspect": InspectConfig,
    "measure": MeasureConfig,
    "models score": PredictConfig,
    "predict": PredictConfig,
    "train": TrainConfig,
    "weights": WeightConfig,
}


def all_commands() -> Iterator[tuple[str, Any]]:
    """Yield the words of each command, and the object that parses what follows."""
    for entry in COMMANDS:
        command = load(entry)
        yield entry.name, command
        for name, inner in getattr(command, "commands", {}).items():
            yield f"{entry.name} {name}", inner


def parse(words: list[str]) -> None:
    """Parse a line without running it; what does not fit raises."""
    command: Any = typer.main.get_command(app)
    context: Any = None
    name = "unet-studio"
    while hasattr(command, "resolve_command") and words and words[0][0] != "-":
        empty = {"parent": context, "resilient_parsing": True}
        context = command.make_context(name, [], **empty)
        name, command, words = command.resolve_command(context, words)
    command.make_context(name, list(words), parent=context)


def lines() -> list[tuple[str, str]]:
    return [
        (words, line.strip())
        for words, examples in EXAMPLES.items()
        for _, text in examples
        for line in text.splitlines()
    ]


@pytest.mark.parametrize(("words", "line"), lines())
def test_every_example_is_a_command_that_is_understood(words: str, line: str) -> None:
    program, *rest = shlex.split(line)
    assert program == "unet-studio"
    assert "--help" not in rest
    parse(rest)


def test_every_command_has_examples_and_the_list_says_what_it_says() -> None:
    commands = dict(all_commands())
    missing = set(commands) - set(EXAMPLES)
    assert {name for name in missing if not name.startswith("benchmark ")} == set()
    assert set(EXAMPLES) - set(commands) == {""}
    assert set(CODES) - set(commands) == {"usual"}
    for entry in COMMANDS:
        first = " ".join(commands[entry.name].help.split("\n\n")[0].split())
        assert first == entry.help


def test_options_stand_in_groups() -> None:
    for name, command in all_commands():
        options = [p for p in command.params if p.param_type_name == "option"]
        bare = [p.name for p in options if not getattr(p, "rich_help_panel", None)]
        assert len(bare) <= 6, (name, bare)


@pytest.mark.parametrize(("words", "config"), CONFIGS.items())
def test_every_command_with_a_config_takes_its_json(
    words: str, config: type[Config], tmp_path: Path
) -> None:
    command = dict(all_commands())[words]
    options = {option for each in command.params for option in each.opts}
    assert "--config" in options
    for name, (kind, _) in field_types(config).items():
        nested = getattr(kind, "__dataclass_fields__", None)
        for field in [f"{name}-{inner}" for inner in nested] if nested else [name]:
            assert f"--{field.replace('_', '-')}" in options


def test_every_config_has_a_command() -> None:
    # Parts of others, and those that have commands of another kind.
    inner = {"AugmentConfig", "BatchConfig", "ObjectConfig", "Settings", "PenConfig"}
    known = {each.__name__ for each in CONFIGS.values()} | inner
    ours = {
        each.__name__
        for each in Config.__subclasses__()
        if each.__module__.startswith(napari_unet_studio.__name__)
        and ".widgets." not in each.__module__
    }
    assert ours <= known


def test_help_loads_nothing_that_takes_time() -> None:
    code = (
        "import sys\nfrom napari_unet_studio.cli import main\n"
        "sys.argv = ['unet-studio', '--help']\ntry:\n    main()\nfinally:\n"
        "    heavy = {'numpy', 'numba', 'scipy', 'torch'} & set(sys.modules)\n"
        "    print(heavy, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr.strip() == "set()"
    assert "Examples" in done.stdout


def test_the_version_is_told(call: Any) -> None:
    code, out, err = call("--version")
    assert (code, err) == (0, "")
    assert out.split() == ["napari-unet-studio", napari_unet_studio.__version__]


def test_a_typing_error_is_told_with_what_was_meant(call: Any) -> None:
    code, out, err = call("wieghts", "a.tif")
    assert (code, out) == (2, "")
    assert "wieghts" in err


# Without a window, a download or minutes; on files of the names in the examples.
RUN = (
    *("evaluate", "measure", "inspect", "weights", "deform", "networks", "models"),
    *("models info", "models copy", "models note", "models describe", "settings"),
    *("settings list", "settings get", "settings set", "settings reset", "info"),
)


@pytest.mark.slow
@pytest.mark.parametrize("words", RUN)
def test_the_examples_run(
    call: Any, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    sample = nuclei_2d((96, 96), seed=1)
    labels = sample.labels.astype(np.uint16)
    for name in ("image", "cells", "dapi", "gfp", "images/a1", "images/2"):
        write_tiff(tmp_path / f"{name}.tif", sample.image, "YX")
    for name in ("labels", "truth", *(f"{f}/{n}" for f in FOLDERS for n in ("a1", 2))):
        write_tiff(tmp_path / f"{name}.tif", labels, "YX")
    write_tiff(tmp_path / "stack.tif", np.stack([labels, labels]), "ZYX")
    bundled = Path(napari_unet_studio.__file__).parent / "models/nuclei.unet"
    for name in ("cells.unet", "home/models/nuclei 2.unet", "home/models/mine.unet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(bundled, tmp_path / name)
    for known, line in lines():
        if known != words:
            continue
        if words == "evaluate" and "cells.tif" in line:
            write_tiff(tmp_path / "cells.tif", labels, "YX")
        extra = ["--overwrite"] if words in ("measure", "weights", "deform") else []
        code, _, err = call(*shlex.split(line)[1:], *extra)
        assert code == 0, (line, err)


FOLDERS = ("labels", "found", "truth")


def test_a_model_says_how_it_was_weighed(call: Any, tmp_path: Path) -> None:
    """The JSON of a training has the weights in it."""
    sample = nuclei_2d((64, 64), seed=1)
    write_tiff(tmp_path / "l.tif", sample.labels.astype(np.uint16), "YX")
    config = TrainConfig(weights=WeightConfig(sigma=3, gap=1, inside=True))
    Path("run.json").write_text(json.dumps({"config": config.to_dict()}), "utf-8")
    whole = ("--sigma=3", "--gap=1", "--inside", "--balance=none")
    _, one, _ = call("weights", "l.tif", "--config=run.json", "-o", "a.tif", "--json")
    _, other, _ = call("weights", "l.tif", *whole, "-o", "b.tif", "--json")
    assert json.loads(one)["largest"] == json.loads(other)["largest"]
    code, _, err = call("weights", "l.tif", "--config=run.json", "--sigma=0")
    assert code == 2
    assert "--sigma is 0.0; choose from 0.5" in err


DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_the_documentation_is_understood(page: Path) -> None:
    blocks = re.findall(
        r"```(?:console|bash|sh)\n(.*?)```", page.read_text("utf-8"), re.S
    )
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        line = line.strip().removeprefix("$ ")
        if not line.startswith("unet-studio "):
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.wordchars += "%+,:@"
        words = list(itertools.takewhile(lambda w: w[0] not in ";&|<>", lexer))[1:]
        if not {"--help", "--version", "--install-completion"} & set(words):
            parse(words)
