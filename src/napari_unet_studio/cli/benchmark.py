"""``unet-studio benchmark``: this package beside what else is installed."""

from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import typer

from napari_unet_studio.cli import completion, console
from napari_unet_studio.cli.benchmark_show import finish
from napari_unet_studio.cli.files import (
    AsJson,
    Overwrite,
    check_writable,
    refuse_existing,
)
from napari_unet_studio.cli.panels import COMPUTING, INPUT, OUTPUT
from napari_unet_studio.cli.teaching import Teaching, TeachingGroup
from napari_unet_studio.core.errors import InputError

benchmark = typer.Typer(
    cls=TeachingGroup,
    no_args_is_help=True,
    add_completion=False,
    help="Measure this package beside what else is installed for the same work.",
)

Seconds = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        help="Budget for each method and image; default: 2.",
        rich_help_panel=COMPUTING,
    ),
]
Quick = Annotated[
    bool,
    typer.Option(
        "--quick",
        help="Take tiny images, to see that all works.",
        rich_help_panel=COMPUTING,
    ),
]
Page = Annotated[
    Path | None,
    typer.Option(
        help="Also write the numbers and their page into this folder.",
        rich_help_panel=OUTPUT,
    ),
]
BUDGET, QUICK_BUDGET = 2.0, 0.02
LONG_BUDGET = 10.0  # MONAI's sliding window takes longer, and is measured nevertheless
# Minutes of a whole run with the usual budget, on two cores beside all peers: of the
# documents in docs/benchmarks.
_MINUTES = MappingProxyType(
    {"weights": 9, "elastic": 1, "inference": 20, "training": 2, "measures": 2}
)


@benchmark.command(cls=Teaching)
def weights(
    seconds: Seconds = None,
    quick: Quick = False,
    page: Page = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Measure the separation weight map against distance transforms of objects."""
    from napari_unet_studio.benchmark.weights import benchmark_weights

    _prepare(page, overwrite)
    budget = _budget("weights", seconds, quick)
    options = f" --seconds {budget:g}" + " --quick" * quick
    finish("weights", benchmark_weights(budget, quick), options, page, json)


@benchmark.command(cls=Teaching)
def elastic(
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(help="Where tensors are deformed too, besides the processor."),
    ] = "auto",
    seconds: Seconds = None,
    quick: Quick = False,
    page: Page = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Measure elastic deformation of an image with its labels against its peers."""
    from napari_unet_studio.benchmark.elastic import benchmark_elastic
    from napari_unet_studio.tasks.device import choose_device

    _prepare(page, overwrite)
    budget = _budget("elastic", seconds, quick)
    found = choose_device(device)
    found = "cuda" if found == "cuda" else "cpu"  # peers know no other
    running = benchmark_elastic(budget, quick, found)
    options = f" --device {found} --seconds {budget:g}" + " --quick" * quick
    finish("elastic", running, options, page, json)


@benchmark.command(cls=Teaching)
def inference(
    device: Annotated[
        Literal["cpu", "cuda"], typer.Option(help="Where networks run.")
    ] = "cpu",
    large: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            help="Also predict a square image of so many pixels a side from file to "
            "file; may be given several times. It fills a temporary folder.",
        ),
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Measure torch.compile too.")
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.001, help="Budget for each method and image; default: 10."),
    ] = None,
    quick: Quick = False,
    page: Page = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Measure inference against sliding windows and other engines."""
    from napari_unet_studio.benchmark.inference import benchmark_inference
    from napari_unet_studio.tasks.device import choose_device

    _prepare(page, overwrite)
    choose_device(device)  # which tells what is missing
    budget = _budget("inference", seconds, quick, LONG_BUDGET)
    sides = tuple(large or ())
    running = benchmark_inference(budget, quick, device, compiled, sides)
    options = f" --device {device}" + "".join(f" --large {side}" for side in sides)
    options += " --compile" * compiled + f" --seconds {budget:g}" + " --quick" * quick
    finish("inference", running, options, page, json)


@benchmark.command(cls=Teaching)
def training(
    device: Annotated[
        Literal["cpu", "cuda"], typer.Option(help="Where networks are trained.")
    ] = "cpu",
    compiled: Annotated[
        bool, typer.Option("--compile", help="Measure torch.compile too.")
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.001, help="Budget for each method; default: 10."),
    ] = None,
    quick: Quick = False,
    page: Page = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Measure a step of training against plain loops and MONAI."""
    from napari_unet_studio.benchmark.training import benchmark_training
    from napari_unet_studio.tasks.device import choose_device

    _prepare(page, overwrite)
    choose_device(device)  # which tells what is missing
    budget = _budget("training", seconds, quick, LONG_BUDGET)
    running = benchmark_training(budget, quick, device, compiled)
    options = f" --device {device}" + " --compile" * compiled
    options += f" --seconds {budget:g}" + " --quick" * quick
    finish("training", running, options, page, json)


@benchmark.command(cls=Teaching)
def measures(
    seconds: Seconds = None,
    quick: Quick = False,
    page: Page = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Measure matching objects of two label images against scikit-image and others."""
    from napari_unet_studio.benchmark.measures import benchmark_measures

    _prepare(page, overwrite)
    budget = _budget("measures", seconds, quick)
    options = f" --seconds {budget:g}" + " --quick" * quick
    finish("measures", benchmark_measures(budget, quick), options, page, json)


@benchmark.command(cls=Teaching)
def nuclei(
    images: Annotated[Path, typer.Argument(help="Images to score: a folder.")],
    labels: Annotated[Path, typer.Argument(help="Their labels, of the same names.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="A model or .unet file, once for each; default: nuclei.",
            rich_help_panel=INPUT,
            autocompletion=completion.models,
        ),
    ] = None,
    train_images: Annotated[
        Path | None,
        typer.Option(help="What MONAI's network is trained on.", rich_help_panel=INPUT),
    ] = None,
    train_labels: Annotated[
        Path | None, typer.Option(help="Their labels.", rich_help_panel=INPUT)
    ] = None,
    updates: Annotated[
        int, typer.Option(min=1, help="Of that training.", rich_help_panel=COMPUTING)
    ] = 6000,
    patch: Annotated[
        int,
        typer.Option(min=16, help="Side of its patches.", rich_help_panel=COMPUTING),
    ] = 128,
    batch: Annotated[
        int,
        typer.Option(min=1, help="Patches in an update.", rich_help_panel=COMPUTING),
    ] = 8,
    weights_file: Annotated[
        Path,
        typer.Option(
            help="Weights of MONAI's network; taken if there, else trained and written."
        ),
    ] = Path("basicunet.safetensors"),
    json: AsJson = False,
) -> None:
    """Score nuclei found by Otsu's threshold, by MONAI's U-Net and by this package.

    MONAI's network learns the same patches as this package, for as many updates. Its
    training goes on where it was when it was killed.
    """
    from napari_unet_studio.benchmark.nuclei import Budget, benchmark_nuclei
    from napari_unet_studio.tasks.train_config import TrainConfig

    if not weights_file.exists():
        check_writable(weights_file, "--weights-file")
    config = TrainConfig(updates=updates, patch=patch, batch=batch)
    budget = Budget(train_images, train_labels, weights_file, config)
    models = model or ["nuclei"]
    running = benchmark_nuclei(images, labels, models, budget)
    options = f" {images} {labels}" + "".join(f" --model {name}" for name in models)
    if train_images is not None:
        options += f" --train-images {train_images} --train-labels {train_labels}"
        options += f" --updates {updates} --patch {patch} --batch {batch}"
    options += f" --weights-file {weights_file}"
    finish("nuclei", running, options, None, json)


@benchmark.command(cls=Teaching)
def window(
    moves: Annotated[int, typer.Option(min=2, help="Steps of each slider.")] = 40,
    page: Page = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Measure in a napari window how soon the live widgets redraw."""
    from napari_unet_studio.benchmark.window import benchmark_window
    from napari_unet_studio.cli.demo_run import why_no_window

    reason = why_no_window()
    if reason is not None:
        raise InputError(f"No window can be measured: {reason}.")
    _prepare(page, overwrite)
    finish("window", benchmark_window(moves), f" --moves {moves}", page, json)


def _budget(
    name: str, seconds: float | None, quick: bool, full: float = BUDGET
) -> float:
    """Return the budget of each method and image, and say what the usual one takes."""
    if seconds is None and not quick:
        console.err.print(
            f"This takes about {_MINUTES[name]} min on two cores, if all that it is "
            "compared with is installed; --quick only sees that all works."
        )
    return seconds or (QUICK_BUDGET if quick else full)


def _prepare(page: Path | None, overwrite: bool) -> None:
    """See that the page can be written, before minutes of work."""
    if page is None:
        return
    from napari_unet_studio.benchmark.page import FOLDER, PAGE, read_measurements

    refuse_existing(page / PAGE, overwrite, option="--page")
    check_writable(page / PAGE, "--page")
    check_writable(page / FOLDER / PAGE, "--page")
    read_measurements(page)  # beside which the new one will stand
