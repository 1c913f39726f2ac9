"""What the Batch widget says."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_unet_studio.core.amounts import time_left
from napari_unet_studio.tasks.progress import Progress
from napari_unet_studio.widgets._batch.reading import GREY

if TYPE_CHECKING:
    from napari_unet_studio.tasks.batch import Outcome

# A sign and a word each: neither the colour nor the shape alone has to be told apart.
STATES = {
    "waiting": "· waiting",
    "running": "▶ running",
    "done": "✓ done",
    "kept": "↺ kept",
    "failed": "✗ failed",
}
MEANINGS = {
    "waiting": "Not begun yet.",
    "running": "The model works on it.",
    "done": "Its result is new.",
    "kept": "An earlier run made the same result: it was not computed again.",
    "failed": "There is no result; the row says why.",
}
_OPTIONS = {
    "another folder with --out": "another folder for the results",
    "Choose another folder with --out": "Choose another folder for the results",
    "allow --overwrite": "tick Replace results",
    "--overwrite": "Replace results",
    "convert the image to grey (channel 'grey'), take one of its channels (channel 0 "
    "to 2), or choose a model trained on colour": "choose “Reading > Channel > "
    f"{GREY}”, one of the channels there (0 to 2), or a model trained on colour, such "
    "as stained-nuclei for stained tissue",
}
_CHANNELS = re.compile(r"take one of its channels \(channel 0 to (\d+)\)")
NO_FILES = "Drop images or a folder of images here, or press Browse…"
NO_LAYERS = "There is no image in the viewer; open one, or choose files above."
NOTHING = (
    "No image is listed for a batch; drop images or a folder of images on the dock "
    "Batch, or press Browse… there."
)
NO_LAYER = (
    "There is no image in the viewer for a batch; open one, or choose files and "
    "folders in the dock Batch."
)


def counted(count: int, noun: str) -> str:
    """Return a number of things.

    Examples
    --------
    >>> counted(1, "image"), counted(1200, "image")
    ('1 image', '1,200 images')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def hint(layers: bool) -> str:
    """Say how images get into an empty table.

    Parameters
    ----------
    layers
        Whether they are layers.
    """
    return NO_LAYERS if layers else NO_FILES


def progress_text(progress: Progress, count: int) -> str:
    """Say how far a batch is, short enough for the progress bar.

    Parameters
    ----------
    progress
        Its record.
    count
        Images in all.

    Examples
    --------
    >>> progress_text(Progress(0, 0, "Loading the model"), 3)
    'Loading the model'
    """
    number = getattr(progress, "number", None)
    if number is None:
        return progress.message
    seconds = getattr(progress, "seconds_left", None)
    over = number + (getattr(progress, "outcome", None) is not None)
    text = f"{over:,} of {counted(count, 'image')}"
    return text if seconds is None else f"{text}, {time_left(seconds)}"


def summary(
    outcomes: "Sequence[Outcome]", seconds: float, stopped: bool = False
) -> str:
    """Say what a batch came to.

    Parameters
    ----------
    outcomes
        Of its images.
    seconds
        That it took.
    stopped
        Whether there are images that it did not come to.
    """
    by = {state: [o for o in outcomes if o.status == state] for state in STATES}
    done, kept, failed = (len(by[state]) for state in ("done", "kept", "failed"))
    if kept and not done and not failed and not stopped:
        said = counted(kept, "image")
        return f"{said} kept from an earlier run; nothing was left to do."
    parts = []
    if done:
        parts.append(f"{counted(done, 'image')} segmented in {seconds:.1f} s")
    if kept:
        parts.append(f"{_more(kept, parts)} kept from an earlier run")
    if failed:
        parts.append(f"{_more(failed, parts)} failed; the table says why")
    return f"{', '.join(parts) or 'no image segmented'}."


def _more(count: int, parts: Sequence[str]) -> str:
    """Return a number of images, which were named if there are parts already."""
    return f"{count:,}" if parts else counted(count, "image")


def remark_of(outcome: "Outcome") -> str:
    """Return what there is to say about an image, in a line, without its path."""
    error = outcome.error.removeprefix(f"{outcome.image} ")
    return in_the_window(error) or " ".join(outcome.notes)


def in_the_window(sentence: str) -> str:
    """Return a sentence that names options of the shell as they are called here.

    Examples
    --------
    >>> in_the_window(
    ...     "a.tif exists; choose another folder with --out, or allow --overwrite."
    ... )
    'a.tif exists; choose another folder for the results, or tick Replace results.'
    """
    for option, name in _OPTIONS.items():
        sentence = sentence.replace(option, name)
    return _CHANNELS.sub(
        r"choose one of its channels (0 to \1) in “Reading > Channel”", sentence
    )


def detail(name: str, outcome: "Outcome | None") -> str:
    """Say what became of the image of a row that was chosen."""
    if outcome is None:
        return ""
    said = remark_of(outcome)
    if outcome.status == "failed":
        return f"{name}: {said}"
    where = "" if outcome.labels is None else f"Labels in {outcome.labels}."
    return " ".join(filter(None, [f"{name}:", where, said])) if where or said else ""


def seconds_text(seconds: float) -> str:
    """Return a time for a narrow column.

    Examples
    --------
    >>> seconds_text(0.23), seconds_text(75), seconds_text(4000)
    ('0.2 s', '75 s', '67 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
