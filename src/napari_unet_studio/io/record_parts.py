"""What the record of a batch is made of: runs, images and results."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_unet_studio.io.digests import Fingerprint


@dataclass(frozen=True)
class Run:
    """The settings of a run; one that went on with the same settings is the same run.

    Parameters
    ----------
    task
        "predict", "weights" or "deform".
    model
        Its "name", "path" and "digest", and what its card says of input and output;
        empty without a model.
    config
        What :meth:`.Config.to_dict` gives.
    objects
        How probabilities became objects; empty where they did not.
    place
        "axes", "spacing", "unit", "channel", "level" and "region", as far as they were
        given.
    version
        Of this package.
    began, ended
        Times in UTC; "" as long as it did not come to its end.
    """

    task: str
    model: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    objects: Mapping[str, Any] = field(default_factory=dict)
    place: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    began: str = ""
    ended: str = ""

    def compared(self) -> dict[str, Any]:
        """Return what has to be equal for results to be equal.

        Not what a model is called and where it lies, nor what is written beside the
        labels.
        """
        model = {k: v for k, v in self.model.items() if k not in ("name", "path")}
        config = {k: v for k, v in self.config.items() if k not in BESIDE}
        values = {
            "task": self.task,
            "model": model,
            "config": config if self.task == "predict" else dict(self.config),
            "objects": dict(self.objects),
            "place": dict(self.place),
        }
        plain: dict[str, Any] = json.loads(json.dumps(values))
        return plain


BESIDE = ("probabilities", "table")  # settings of what is written beside the labels


@dataclass(frozen=True)
class Written:
    """A file, or zarr store, that was written.

    Parameters
    ----------
    path
        Relative to the folder of the record, with "/".
    sha256, bytes, modified
        Its fingerprint.
    """

    path: str
    sha256: str
    bytes: int
    modified: int

    @property
    def fingerprint(self) -> Fingerprint:
        """What it is known again by."""
        return Fingerprint(self.sha256, self.bytes, self.modified)

    def fits(self, folder: Path) -> bool:
        """Return whether it lies in the folder of the record as it was written."""
        return self.fingerprint.fits(folder / self.path)


@dataclass(frozen=True)
class Entry:
    """What became of one image.

    Parameters
    ----------
    name
        Of its results.
    image
        Its path, relative to the folder of the record where there is such a path; or
        the name of an image in memory.
    sha256, bytes, modified
        The fingerprint of the image.
    run
        Number of the run.
    status
        "done" or "failed".
    results
        The files by kind, such as "labels".
    objects
        Their number.
    seconds
        That it took.
    notes
        Sentences for the user.
    error
        What went wrong.
    """

    name: str
    image: str
    sha256: str
    bytes: int
    modified: int
    run: int
    status: str
    results: Mapping[str, Written] = field(default_factory=dict)
    objects: int | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    error: str = ""

    @property
    def fingerprint(self) -> Fingerprint:
        """What the image is known again by."""
        return Fingerprint(self.sha256, self.bytes, self.modified)
