"""The benchmark of nuclei: a threshold, MONAI's U-Net and this package on one table.

Everything is scored on images that none of them was trained on.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from napari_unet_studio.benchmark.machine import installed, machine
from napari_unet_studio.benchmark.method import OWN
from napari_unet_studio.benchmark.nuclei_network import (
    facts_of,
    probabilities,
    size_of,
)
from napari_unet_studio.benchmark.nuclei_objects import (
    Labels,
    cleaned,
    components,
    otsu_mask,
    separated,
)
from napari_unet_studio.benchmark.nuclei_peers import trained_peer
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.images import read_image
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.model_file import SUFFIX
from napari_unet_studio.io.pairs import find_pairs
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.compare import Candidate, Case, Comparison, compare
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.dataset import digest
from napari_unet_studio.tasks.training.pair_files import read_pairs

LIBRARIES = ("skimage", "monai", "safetensors")
OTSU = "Otsu, watershed"
PIECES = "MONAI BasicUNet, components"
WATERSHED = "MONAI BasicUNet, watershed"
THRESHOLD = 0.5

SCORES = {
    "IoU": "iou",
    "F1 at 0.5": "f1",
    "SEG": "seg",
    "mean AP": "average_precision_mean",
    "PQ": "panoptic_quality",
    "touching pairs kept apart": "pairs_kept_apart",
}
"""The scores of the table, by their names in a :class:`.Comparison`."""

COLUMNS = ("method", *SCORES, "parameters", "note")


class Budget(NamedTuple):
    """What the peer is trained on, unless its weights are there already.

    Parameters
    ----------
    images, labels
        Folders; both None if there is nothing to train on.
    weights
        The file of its weights.
    config
        Updates, patch, batch and seed; the rest is what this package does by default.
    """

    images: Path | None
    labels: Path | None
    weights: Path
    config: TrainConfig


class Peer(NamedTuple):
    """MONAI's network, or why it is not there."""

    network: nn.Module | None
    note: str = ""


def benchmark_nuclei(
    images: Path, labels: Path, models: Sequence[str | Path], budget: Budget
) -> Generator[str, None, dict[str, Any]]:
    """Score all methods on the same images; yields what is done, returns the document.

    Parameters
    ----------
    images, labels
        What is scored: grey planes and the ids of their objects, in folders or files.
    models
        Of this package: names or files.
    budget
        Of the peer.

    Raises
    ------
    InputError
        If images are no grey planes, or a folder to train on lacks its labels.
    """
    if (budget.images is None) != (budget.labels is None):
        raise InputError("Give both --train-images and --train-labels, or neither.")
    loaded = _loaded(models)
    files = find_pairs([images], labels)
    scored = {digest(pair)["sha256"] for pair in read_pairs(images, labels)}
    peer = yield from _peer(budget, scored)
    candidates = yield from _peers_labels([image for image, _ in files], peer.network)
    candidates += [Candidate(name, model=model) for name, model in loaded.items()]
    cases = [Case(image.name, truth, image) for image, truth in files]
    yield f"{' and '.join(loaded)}, and the scores"
    found = run(compare(cases, candidates))
    assert found is not None  # only a stopped task returns nothing
    about = {name: _history(model, scored) for name, model in loaded.items()}
    if peer.network is not None:
        about |= dict.fromkeys((PIECES, WATERSHED), _budget(facts_of(budget.weights)))
    rows = [_row(found, candidate.name, about) for candidate in candidates]
    if peer.network is None:
        missing = [{"method": m, "note": peer.note} for m in (PIECES, WATERSHED)]
        rows[1:1] = missing
    return {
        "machine": machine(LIBRARIES),
        "images": len(files),
        "trained": {} if peer.network is None else facts_of(budget.weights),
        "rows": rows,
        "notes": list(found.notes),
    }


def lines(document: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the rows for people; nothing stands where nothing was measured."""
    for row in document["rows"]:
        parameters = row.get("parameters")
        yield {
            "method": row["method"],
            **{column: _text(row.get(column)) for column in SCORES},
            "parameters": "" if parameters is None else f"{parameters:,}",
            "note": row["note"],
        }


def _text(score: float | None) -> str:
    return "" if score is None else f"{score:.3f}"


def _loaded(models: Sequence[str | Path]) -> dict[str, Model]:
    """Return the models by the names of their rows."""
    found: dict[str, Model] = {}
    for given in models:
        stem = name = f"{OWN}, {Path(given).name.removesuffix(SUFFIX)}"
        number = 1
        while name in found:
            number += 1
            name = f"{stem} {number}"
        found[name] = load_model(given)
    return found


def _peer(budget: Budget, scored: set[str]) -> Generator[str, None, Peer]:
    """Return the trained peer, from its file if there is one."""
    if not installed("monai"):
        return Peer(None, "not installed")
    pairs = []
    if budget.images is not None and budget.labels is not None:
        pairs = read_pairs(budget.images, budget.labels)
    both = sum(digest(pair)["sha256"] in scored for pair in pairs)
    if both:
        raise InputError(
            f"{both} of the images to train on are scored too; give folders that have "
            "none in common."
        )
    if not pairs and not budget.weights.exists():
        return Peer(None, f"not trained: no {budget.weights.name} and no training data")
    yield "MONAI BasicUNet"
    network = yield from trained_peer(budget.weights, pairs, budget.config)
    return Peer(network)


def _peers_labels(
    images: Sequence[Path], network: nn.Module | None
) -> Generator[str, None, list[Candidate]]:
    """Return what the methods of others find in each image."""
    found: dict[str, list[Labels]] = {OTSU: []}
    if network is not None:
        found |= {PIECES: [], WATERSHED: []}
    for number, path in enumerate(images, 1):
        if number % 10 == 1:
            yield f"the peers, image {number} of {len(images)}"
        image = _plane(path)
        found[OTSU].append(separated(otsu_mask(image)))
        if network is not None:
            mask = cleaned(probabilities(network, image) >= THRESHOLD)
            found[PIECES].append(components(mask))
            found[WATERSHED].append(separated(mask))
    sizes = {} if network is None else dict.fromkeys(found, size_of(network))
    sizes.pop(OTSU, None)
    return [
        Candidate(name, labels, parameters=sizes.get(name))
        for name, labels in found.items()
    ]


def _plane(path: Path) -> NDArray[Any]:
    """Read a grey plane."""
    image = read_image(path)
    array = np.asarray(image.array)
    if array.ndim != 2 or image.channel_axis is not None:
        raise InputError(
            f"{path.name} has the shape {array.shape}; this benchmark takes planes of "
            "grey values."
        )
    return array


def _row(found: Comparison, name: str, about: Mapping[str, str]) -> dict[str, Any]:
    """Return the scores of one method."""
    row = found[name]
    return {
        "method": name,
        **{column: row.value(score) for column, score in SCORES.items()},
        "parameters": row.parameters,
        "note": ". ".join([*([about[name]] if name in about else ()), *row.notes]),
    }


def _budget(facts: Mapping[str, Any]) -> str:
    """Tell of a training how long it was and of how many images, if that is known."""
    if not {"updates", "images"} <= facts.keys():
        return "training unknown"
    return f"{facts['updates']} updates, {facts['images']} images"


def _history(model: Model, scored: set[str]) -> str:
    """Tell how a model was trained, and what of the scored images that knew."""
    roles = [str(data.get("role")) for data in model.card.data]
    facts = {**model.card.training, "images": roles.count("train")}
    seen = [
        role
        for role, data in zip(roles, model.card.data, strict=True)
        if data.get("sha256") in scored
    ]
    told = [_budget(facts)]
    for role, what in (("train", "trained on"), ("validate", "chosen by")):
        if count := seen.count(role):
            told.append(f"{what} {count} of these images")
    return ", ".join(told)
