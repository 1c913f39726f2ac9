"""Adds up what one candidate is worth, image by image."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import over_frames, spatial_ndim
from napari_unet_studio.core.channels import Channel, pick_channel
from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.core.metrics.errors import error_map
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.compare_cases import (
    TOO_MANY,
    Candidate,
    Case,
    labels_of,
    many_values,
)
from napari_unet_studio.tasks.comparison import CandidateScores, ImageScores
from napari_unet_studio.tasks.evaluate import Kind, scorer
from napari_unet_studio.tasks.evaluate_labels import label_pair
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.progress import Clock, Progress, ShouldStop
from napari_unet_studio.tasks.training.targets import is_mask, pieces_of


class Judge:
    """Adds up what one candidate is worth."""

    def __init__(
        self,
        candidate: Candidate,
        kind: Kind,
        connected: bool | None,
        ignore: int | None,
    ) -> None:
        self.candidate = candidate
        self.kind = kind
        self._connected = connected
        self.rows: list[ImageScores] = []
        self._ignore = ignore
        # The components were taken already, once for all candidates.
        self._all = scorer(kind, False if kind == "objects" else None, ignore)
        self._model: Model | None = None
        self._notes: dict[str, None] = dict.fromkeys(candidate.notes)

    def judge(
        self,
        number: int,
        case: Case,
        config: PredictConfig | None,
        channel: Channel | None,
        keep: bool,
        should_stop: ShouldStop,
    ) -> Iterator[float]:
        """Judge one image; yields the share that is done."""
        clock, seconds = Clock(), None
        try:
            labels = self._given(number, case)
            if labels is None:
                model = self._loaded()
                clock = Clock()
                running = self._predicted(model, case, config, channel, should_stop)
                while True:
                    try:
                        record = next(running)
                    except StopIteration as end:
                        labels = end.value
                        break
                    yield from (
                        each.step / max(each.total, 1) for each in clock.without(record)
                    )
                if labels is None:  # stopped
                    return
                seconds = clock.seconds
            self.rows.append(self._scored(labels, case, seconds, keep))
        except (StudioError, MemoryError, RuntimeError) as error:
            self.rows.append(ImageScores(case.name, error=_reason(error)))

    def row(self) -> CandidateScores:
        """Return what is known so far."""
        candidate = self.candidate
        failed = [row for row in self.rows if row.error]
        notes = list(self._notes)
        for reason in dict.fromkeys(row.error for row in failed):
            where = ""
            count = sum(row.error == reason for row in failed)
            if count < len(self.rows):
                where = f"On {count} of {len(self.rows)} images: "
            notes.append(where + reason)
        seconds = [row.seconds for row in self.rows if row.seconds is not None]
        parameters = candidate.parameters
        if self._model is not None:
            parameters = self._model.card.spec.parameters
        worked = len(failed) < len(self.rows)
        found = self._all.result() if worked else None
        return CandidateScores(
            candidate.name,
            "labels" if candidate.model is None else "model",
            {} if found is None else found,
            tuple(self._images([] if found is None else found.per_image)),
            parameters,
            sum(seconds) if seconds else candidate.seconds,
            tuple(notes),
        )

    # -- labels -----------------------------------------------------------------------

    def _given(self, number: int, case: Case) -> NDArray[Any] | None:
        """Return labels that are there already, read as those of the kind."""
        if self.candidate.labels is None:
            return None
        labels, _ = labels_of(self.candidate.labels[number])
        labels, _ = label_pair(labels, case.reference, case.axes)
        as_given = self.candidate.model is not None or self._connected is False
        if self.kind == "objects" and not as_given and is_mask(labels):
            pieces = over_frames(lambda x: pieces_of(x > 0), labels, case.axes or "")
            if int(pieces.max(initial=0)) > 1:
                self._note(
                    "These labels hold one id for all objects, so their connected "
                    "components were taken as the objects."
                )
                return pieces
        if self.kind == "classes" and not as_given and many_values(labels):
            self._note(f"These labels hold {TOO_MANY}")
        return labels

    def _loaded(self) -> Model:
        if self._model is None:
            assert self.candidate.model is not None
            self._model = load_model(self.candidate.model)
        return self._model

    def _predicted(
        self,
        model: Model,
        case: Case,
        config: PredictConfig | None,
        channel: Channel | None,
        should_stop: ShouldStop,
    ) -> Generator[Progress, None, NDArray[Any] | None]:
        if case.image is None:
            raise InputError(
                f"The model {model.name!r} has nothing to predict; give an image "
                f"for the reference {case.name!r}."
            )
        # Here, because labels are compared without torch.
        from napari_unet_studio.tasks.predict import predict

        image, channel_axis = _channels(case, model.card, channel)
        shape = [int(n) for n in np.shape(image)]
        if channel_axis is not None:
            del shape[channel_axis]
        if tuple(shape) != case.reference.shape:
            raise InputError(
                f"The image {case.name!r} has the shape {tuple(shape)} but its "
                f"reference {case.reference.shape}; compare images of the same pixels."
            )
        prediction = yield from predict(
            image,
            model,
            config,
            axes=case.axes,
            channel_axis=channel_axis,
            spacing=case.spacing,
            should_stop=should_stop,
        )
        if prediction is None:
            return None
        for note in prediction.notes:
            self._note(note)
        if self.kind == "classes":
            if model.card.target == "objects":
                self._note(
                    "The model finds objects, so as classes it only tells them from "
                    "the background; compare it as objects to score each of them."
                )
            return prediction.classes
        if model.card.target == "classes" and self.kind == "objects":
            self._note(
                "The model knows classes, so connected pieces of all but the "
                "background were taken as its objects."
            )
            return over_frames(
                lambda x: pieces_of(x > 0), prediction.classes, prediction.axes
            )
        return prediction.labels

    def _note(self, text: str) -> None:
        self._notes[text] = None

    # -- scores -----------------------------------------------------------------------

    def _scored(
        self, labels: NDArray[Any], case: Case, seconds: float | None, keep: bool
    ) -> ImageScores:
        mapped = keep and self.kind == "objects"
        errors = _error_map(labels, case, self._ignore) if mapped else None
        # Last, for what fails before must not be counted.
        self._all.add(labels, case.reference, case.axes, case.name)
        kept = labels if keep else None
        return ImageScores(case.name, seconds=seconds, labels=kept, errors=errors)

    def _images(self, each: Sequence[Mapping[str, Any]]) -> Iterator[ImageScores]:
        """Yield the images with their scores."""
        scores = iter(each)
        for image in self.rows:
            if image.error:
                yield image
                continue
            known = {k: v for k, v in next(scores).items() if v == v and k != "image"}
            yield replace(image, scores=known)


def _channels(
    case: Case, card: ModelCard, choice: Channel | None
) -> tuple[Any, int | None]:
    """Return the image as a model takes it, and where its channels are."""
    axis = case.channel_axis
    if axis is None or choice is None or card.spec.in_channels > 1:
        return case.image, axis
    return pick_channel(case.image, axis, choice), None


def _error_map(
    labels: NDArray[Any], case: Case, ignore: int | None
) -> NDArray[np.uint8]:
    """Return the verdict of each pixel, time point by time point."""
    truth, result = case.reference, np.empty(labels.shape, np.uint8)
    leading = labels.ndim - spatial_ndim(case.axes or "")
    for index in np.ndindex(*labels.shape[:leading]):
        one = truth[index]
        out = None if ignore is None else one == ignore
        result[index] = error_map(labels[index], one, ignored=out)
    return result


def _reason(error: Exception) -> str:
    if isinstance(error, StudioError):
        return str(error)
    return f"Unexpected error, {type(error).__name__}: {error}"
