"""Comparing models and label images on the same references."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.folders import find_images, is_folder
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.model_file import SUFFIX
from napari_unet_studio.io.pairs import by_stem, find_pairs
from napari_unet_studio.tasks.compare import Candidate, Case, Comparison
from napari_unet_studio.tasks.compare import compare as compare_task
from napari_unet_studio.tasks.evaluate import Kind
from napari_unet_studio.tasks.predict import PredictConfig
from napari_unet_studio.tasks.progress import Progress, run

Models = Mapping[str, Model | str | Path] | Iterable[Model | str | Path]


def compare(
    images: Any,
    references: Any,
    models: Models | Model | str | Path = (),
    labels: Mapping[str, Any] | None = None,
    *,
    kind: Kind = "objects",
    axes: str | None = None,
    channel_axis: int | None = None,
    spacing: Sequence[float] | None = None,
    channel: Channel | None = None,
    connected: bool | None = None,
    split: float = 0.0,
    ignore: int | None = None,
    specks: int = 0,
    config: PredictConfig | Mapping[str, Any] | None = None,
    keep: bool = False,
    callback: Callable[[Progress], object] | None = None,
) -> Comparison:
    """Measure models and label images on the same references.

    Parameters
    ----------
    images
        What the models are given: an array or a list of them, a file, or a folder; None
        to compare labels only.
    references
        Ids of the objects, 0 is background: an array or a file for each image, or a
        folder with files of the same names.
    models
        Models, names of models or ``.unet`` files; as a dict to give them names.
    labels
        Segmentations that are there already, by name: each as the references.
    kind
        What the labels are: "objects", "classes" or "membranes", see :func:`evaluate`.
    axes, channel_axis, spacing
        Of the images, as in :func:`predict`. Files say their own, where `axes` and
        `spacing` are not given.
    channel
        The channel that models of one channel are given of images with several: its
        number, or "grey".
    connected, ignore, specks
        As in :func:`evaluate`; False also takes the ids of labels that are masks as
        they are.
    split
        Divide the connected components of masks at necks this deep, in pixels.
    config
        How the models predict, a :class:`PredictConfig` or some of its fields.
    keep
        Keep the labels, and maps of the errors, of each image in ``row.images``.
    callback
        Called with a progress record at each step.

    Returns
    -------
    Comparison
        A row for each candidate, with scores, parameters and seconds. Printed, it is a
        table with a star at the best value of each column. What cannot be done with a
        candidate on an image stands in its row, and below the table.

    Raises
    ------
    StudioError
        If there is nothing to compare, files have no partners, or no reference can be
        used.

    Examples
    --------
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> sample = SAMPLES["nuclei_2d"]((96, 96))
    >>> bright = (sample.image > sample.image.mean()).astype(int)
    >>> found = compare(sample.image, sample.labels, ["nuclei"], {"threshold": bright})
    >>> [row.name for row in found], found.best("f1")
    (['nuclei', 'threshold'], frozenset({'nuclei'}))
    """
    cases = _cases(images, references, axes, channel_axis, spacing)
    if labels is not None and not isinstance(labels, Mapping):
        raise InputError(
            f"Labels to compare have names, but a {type(labels).__name__} was given; "
            'write them as {"mine": labels}.'
        )
    candidates = [Candidate(n, model=m) for n, m in _named(models).items()]
    candidates += [
        Candidate(name, labels=_labels(given, cases))
        for name, given in (labels or {}).items()
    ]
    if isinstance(config, Mapping):
        config = PredictConfig.from_dict(config)
    task = compare_task(
        cases,
        candidates,
        kind=kind,
        connected=connected,
        split=split,
        ignore=ignore,
        specks=specks,
        config=config,
        channel=channel,
        keep=keep,
    )
    found = run(task, callback)
    assert found is not None  # only a stopped task returns nothing
    return found


def _cases(
    images: Any,
    references: Any,
    axes: str | None,
    channel_axis: int | None,
    spacing: Sequence[float] | None,
) -> list[Case]:
    facts = (axes, channel_axis, None if spacing is None else tuple(spacing))
    if isinstance(images, str | Path) and isinstance(references, str | Path):
        pairs = find_pairs([Path(images)], Path(references))
        return [Case(image.name, truth, image, *facts) for image, truth in pairs]
    truths = _listed(references)
    shown: list[Any] = [None] * len(truths) if images is None else _listed(images)
    if len(shown) != len(truths):
        raise InputError(
            f"There are {len(shown)} images but {len(truths)} references; give one for "
            "each."
        )
    return [
        Case(_name_of(image, truth, number), truth, image, *facts)
        for number, (image, truth) in enumerate(zip(shown, truths, strict=True), 1)
    ]


def _listed(given: Any) -> list[Any]:
    """Return a list of arrays and files, of one or of several."""
    if isinstance(given, str | Path):
        return find_images([Path(given)])
    return list(given) if isinstance(given, list | tuple) else [given]


def _name_of(image: Any, truth: Any, number: int) -> str:
    for part in (image, truth):
        if isinstance(part, str | Path):
            return Path(part).name
    return f"image {number}"


def _labels(given: Any, cases: Sequence[Case]) -> list[Any]:
    """Return labels in the order of the cases; those of a folder by their names."""
    truths = [case.reference for case in cases]
    files = [Path(truth) for truth in truths if isinstance(truth, str | Path)]
    folder = isinstance(given, str | Path) and is_folder(Path(given))
    if not folder or len(files) < len(truths):
        return _listed(given)
    named = by_stem(find_images([Path(given)]))
    found = []
    for path in files:
        own = named.get(path.stem, [])
        if len(own) != 1:
            number = f"{len(own)} files of the name of" if own else "no labels for"
            raise InputError(
                f"{given} has {number} {path.name}; give each reference one file of "
                "the same name."
            )
        found += own
    return found


def _named(models: Models | Model | str | Path) -> dict[str, Model | str | Path]:
    """Return models by name: of a file its stem, and a number where it comes twice."""
    if isinstance(models, Mapping):
        return dict(models)
    if isinstance(models, Model | str | Path):
        models = [models]
    named: dict[str, Model | str | Path] = {}
    for model in models:
        name = model.name if isinstance(model, Model) else Path(model).name
        name = name.removesuffix(SUFFIX)
        number, unique = 1, name
        while unique in named:
            number += 1
            unique = f"{name} {number}"
        named[unique] = model
    return named
