"""One image of a batch through the model, and what is written of it."""

import json
import shutil
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.channels import pick_channel
from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.io.image_file import ImageFile
from napari_unet_studio.io.images import read_label_array, write_json, write_tiff
from napari_unet_studio.io.manifest import Manifest
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.result_folder import discard, is_unfinished
from napari_unet_studio.io.staging import mark_of
from napari_unet_studio.tasks.batch_config import BatchConfig
from napari_unet_studio.tasks.batch_read import Opened
from napari_unet_studio.tasks.measure import measure
from napari_unet_studio.tasks.predict import Prediction, predict
from napari_unet_studio.tasks.progress import Progress, ShouldStop, never
from napari_unet_studio.tasks.stream import StoredPrediction, predict_zarr


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in an image.

    Parameters
    ----------
    objects
        Their number, summed over time points; None for classes.
    notes
        Sentences for the user.
    name
        Of the label image in a store.
    prediction
        The result, if it is not a store.
    """

    objects: int | None
    notes: tuple[str, ...]
    name: str = ""
    prediction: Prediction | None = None


@dataclass(frozen=True, eq=False)
class Work:
    """What is done with each image.

    Parameters
    ----------
    model, config, objects, region
        As in :func:`.batch`.
    overwrite
        Start anew what an earlier run has not finished with other settings.
    mark
        Tells these settings from others.
    """

    model: Model
    config: BatchConfig
    objects: ObjectConfig
    region: tuple[slice, ...] | None = None
    overwrite: bool = False
    mark: str = ""
    should_stop: ShouldStop = never

    def predicted(self, image: ImageFile) -> Generator[Progress, None, Found | None]:
        """Predict an image in memory; None if it was stopped."""
        prediction = yield from predict(
            image.array,
            self.model,
            self.config.prediction,
            objects=self.objects,
            axes=image.axes,
            channel_axis=image.channel_axis,
            spacing=image.spacing,
            region=self.region,
            should_stop=self.should_stop,
        )
        if prediction is None:
            return None
        count = self._count(prediction.labels, prediction.axes)
        return Found(count, prediction.notes, prediction=prediction)

    def written(
        self, opened: Opened, files: Mapping[str, str], manifest: Manifest
    ) -> Generator[Progress, None, Found | None]:
        """Predict an image and stage its results; None if it was stopped.

        Raises
        ------
        StudioError
            If the image cannot be used, or nothing can be written.
        """
        staged = {kind: manifest.staged(file) for kind, file in files.items()}
        image = opened.image
        labels: Any
        if self.config.store:
            found = yield from self._stored(opened, staged["labels"])
            if found is None:
                return None
            labels = read_label_array(staged["labels"] / "labels" / found.name)
        else:
            found = yield from self.predicted(image)
            if found is None:
                return None
            assert found.prediction is not None
            labels = found.prediction.labels
            self._write(found.prediction, image, staged)
            found = replace(found, prediction=None)
        if "table" in staged and not (
            yield from self._measured(labels, image, staged["table"])
        ):
            return None
        return found

    def _write(
        self, prediction: Prediction, image: ImageFile, staged: Mapping[str, Path]
    ) -> None:
        place = image.spacing, image.unit
        if "probabilities" in staged:
            axes = "C" + prediction.axes
            values = prediction.probabilities
            write_tiff(staged["probabilities"], values, axes, *place)
        write_tiff(staged["labels"], prediction.labels, prediction.axes, *place)

    def _stored(
        self, opened: Opened, store: Path
    ) -> Generator[Progress, None, Found | None]:
        if store.exists():  # finished, but stopped before it was recorded
            finished = self._finished(store)
            if finished is not None:
                return finished
            shutil.rmtree(store, ignore_errors=True)
        task = self._storing(opened, store)
        try:
            first = next(task)
        except StopIteration:  # stopped at once
            return None
        except StorageError:
            if not (self.overwrite and is_unfinished(store)):
                raise
            discard(store)  # it was begun with other settings
            task = self._storing(opened, store)
        else:
            yield first
        stored = yield from task
        if stored is None:
            return None
        count = None if self.model.card.target == "classes" else stored.count
        mark = {"mark": self.mark, "count": count, "notes": stored.notes}
        write_json(mark_of(store), {**mark, "name": stored.name})
        return Found(count, stored.notes, stored.name)

    def _finished(self, store: Path) -> Found | None:
        """Return what is in a finished store, if it was made with these settings."""
        try:
            told = json.loads(mark_of(store).read_text(encoding="utf-8"))
            if told["mark"] == self.mark:
                return Found(told["count"], tuple(told["notes"]), told["name"])
        except (OSError, KeyError, TypeError, ValueError):
            pass
        return None

    def _storing(
        self, opened: Opened, store: Path
    ) -> Generator[Progress, None, StoredPrediction | None]:
        whole = opened.whole
        return predict_zarr(
            opened.path or whole.array,
            store,
            self.model,
            self.config.prediction,
            objects=self.objects,
            axes=whole.axes,
            channel_axis=whole.channel_axis,
            channel=None if whole.channel_axis is None else opened.channel,
            spacing=whole.spacing,
            unit="um" if whole.unit == "um" else "pixel",
            level=opened.level,
            should_stop=self.should_stop,
        )

    def _measured(
        self, labels: Any, image: ImageFile, path: Path
    ) -> Generator[Progress, None, bool]:
        """Write the table of the objects; returns whether nothing stopped it."""
        unit = "" if image.unit == "none" else image.unit
        table = yield from measure(
            labels,
            dict(_intensities(image, self.region)),
            axes=image.axes,
            spacing=image.spacing,
            unit=unit,
            should_stop=self.should_stop,
        )
        if table is None:
            return False
        table.to_csv(path)
        return True

    def _count(self, labels: NDArray[Any], axes: str) -> int | None:
        if self.model.card.target == "classes":
            return None
        lead = labels.ndim - spatial_ndim(axes)
        frames = (labels[index] for index in np.ndindex(*labels.shape[:lead]))
        return sum(int(np.count_nonzero(np.bincount(f.ravel())[1:])) for f in frames)


def _intensities(
    image: ImageFile, region: tuple[slice, ...] | None
) -> Mapping[str, Any]:
    """Return what intensities are taken of, by name: each channel by itself."""
    array, axis = image.array, image.channel_axis
    if axis is None:
        found = {"intensity": array}
    else:
        count = int(array.shape[axis])
        found = {f"channel {n}": pick_channel(array, axis, n) for n in range(count)}
    if region is None:
        return found
    return {name: each[region] for name, each in found.items()}
