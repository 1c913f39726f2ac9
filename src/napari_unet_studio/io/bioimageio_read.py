"""Models from packages of the BioImage Model Zoo (formats 0.4 and 0.5).

Weights are taken in this order: a network of ours with its card, ONNX, TorchScript. The
package's own test image goes through what was made of it, before it is handed out.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.core.networks.foreign import ForeignSpec
from napari_unet_studio.io.bioimageio_axes import Tensor, input_tensor, output_tensor
from napari_unet_studio.io.bioimageio_card import card_of
from napari_unet_studio.io.bioimageio_meaning import answer_of, meaning_of
from napari_unet_studio.io.bioimageio_package import Package
from napari_unet_studio.io.bioimageio_steps import after_of, before_of, steps_of
from napari_unet_studio.io.bioimageio_trial import (
    about_difference,
    apart,
    arranged,
    computed,
    sample_of,
)
from napari_unet_studio.io.foreign import ForeignNetwork
from napari_unet_studio.io.foreign_files import foreign_spec
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.model_facts import KEY
from napari_unet_studio.io.state_dict import network_with, read_tensors
from napari_unet_studio.io.trust import check_trusted
from napari_unet_studio.io.trust import trust as remember

# What a foreign description can make plain code raise.
_ODD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_FORMATS = ("0.4", "0.5")


@dataclass(frozen=True, eq=False)
class Imported:
    """A model out of a package.

    Parameters
    ----------
    model
        The model.
    difference
        How far its answer for the package's test image is from the one in the package,
        at most; None if there is no test.
    notes
        What was decided on the way, in sentences.
    """

    model: Model
    difference: float | None = None
    notes: tuple[str, ...] = ()


def import_package(path: str | Path, trust: bool = False) -> Imported:
    """Read a model from a bioimage.io package.

    Parameters
    ----------
    path
        A zip, a folder, or the ``rdf.yaml`` in one.
    trust
        Whether a TorchScript program in it may run, now and later.

    Raises
    ------
    StorageError
        If it cannot be read.
    ModelFileError
        If it is damaged, or holds what cannot be computed here; says what.
    UntrustedError
        If it holds nothing but a TorchScript program, and `trust` is False.
    ConfigError
        If its weights are ONNX and onnxruntime is not installed.
    """
    with Package(path) as package:
        try:
            return _read(package, trust)
        except StudioError:
            raise
        except MemoryError as error:
            raise package.refused(
                "there is not enough memory to compute its test image; close other "
                "programs, or use a computer with more"
            ) from error
        except _ODD as error:
            raise package.broken(f"its description is odd ({error})") from error


def _read(package: Package, trust: bool) -> Imported:
    values = package.description
    version = str(values.get("format_version"))
    if values.get("type", "model") != "model":
        raise package.refused(f"it describes a {values.get('type')!r:.40}, no model")
    if not version.startswith(_FORMATS):
        raise package.refused(
            f"it has format {version:.20}, and this version reads 0.4 and 0.5; export "
            "it anew with bioimageio.spec"
        )
    weights = values.get("weights")
    if not isinstance(weights, Mapping):
        raise package.broken("it lists no weights")
    ours = _ours(package, weights)
    return _foreign(package, weights, trust) if ours is None else ours


# --- packages of ours


def _ours(package: Package, weights: Mapping[str, Any]) -> Imported | None:
    """Return the model of a package that this software wrote; None for others."""
    config = package.description.get("config")
    known = config.get(KEY) if isinstance(config, Mapping) else None
    entry = weights.get("pytorch_state_dict")
    if not isinstance(known, Mapping) or not isinstance(entry, Mapping):
        return None
    if not isinstance(known.get("card"), Mapping) or entry.get("source") not in package:
        return None
    card = ModelCard.from_dict(known["card"])
    if isinstance(card.spec, ForeignSpec):
        return None
    data = _checked(package, entry, "pytorch_state_dict")
    tensors = read_tensors(data, f"the weights in {package.path}")
    network = network_with(card.spec, tensors, str(package.path))
    model = Model(network, card)
    given, wanted = sample_of(package, "input"), sample_of(package, "output")
    difference = None
    if given is not None and wanted is not None:
        output = _first(package.description.get("outputs"), "output", package)
        steps = steps_of(output, "postprocessing", package.refused)
        activation = after_of(steps, package.refused).activation
        shape = given.shape[-card.spec.ndim :]
        images = given.reshape(-1, card.spec.in_channels, *shape)
        found = computed(network, card.normalisation, images)
        difference = apart(answer_of(found, activation), wanted)
    return Imported(model, difference, tuple(about_difference(difference)))


# --- packages of others


def _foreign(package: Package, weights: Mapping[str, Any], trust: bool) -> Imported:
    values, refused = package.description, package.refused
    given_values = _first(values.get("inputs"), "input", package)
    answer_values = _first(values.get("outputs"), "output", package)
    given = input_tensor(given_values, refused)
    answer = output_tensor(answer_values, given, refused)
    steps = steps_of(given_values, "preprocessing", refused)
    before = before_of(steps, given.space, len(given.channels), refused)
    after = after_of(steps_of(answer_values, "postprocessing", refused), refused)
    kind, payload = _payload(package, weights, trust)
    spec = foreign_spec(
        kind,
        payload,
        sizes=[_sizes(given, answer, letter) for letter in given.space],
        in_channels=len(given.channels),
        outputs=len(answer.channels),
        clip=before.clip,
        axes=(given.axes, answer.axes),
        activation=after.activation,
    )
    image, wanted = sample_of(package, "input"), sample_of(package, "output")
    if image is None:
        shown = np.zeros((1, spec.in_channels, *spec.smallest), np.float32)
    else:
        shown = arranged(image, given, package)
    if shown.shape[1] != spec.in_channels:
        raise package.broken(f"its test image has {shown.shape[1]} channels")
    network = ForeignNetwork(spec, payload).eval()
    output = computed(network, before.rule, shown, raw=True)
    meaning = meaning_of(output, after, answer.channels, answer_values)
    network.spec = spec = meaning.spec(spec)
    difference = None
    if image is not None and wanted is not None:
        found = answer_of(output, after.activation)
        difference = apart(found, arranged(wanted, answer, package))
    notes = [*before.notes, *meaning.notes, *about_difference(difference)]
    count = len(values["outputs"])
    if count > 1:
        notes.append(f"Of the {count} outputs of its network only the first is used.")
    card = card_of(package, spec, before.rule, after.threshold, meaning, given, notes)
    model = Model(network, card)
    return Imported(model, difference, tuple(notes))


def _sizes(given: Tensor, answer: Tensor, letter: str) -> tuple[int, int, int, int]:
    before, after = given.sides[letter], answer.sides[letter]
    return before.least, before.step, after.offset, after.halo


def _payload(
    package: Package, weights: Mapping[str, Any], trust: bool
) -> tuple[str, bytes]:
    """Return kind and bytes of the weights that are used."""
    found = {
        kind: entry
        for kind, entry in weights.items()
        if isinstance(entry, Mapping) and entry.get("source") in package
    }
    for kind in ("onnx", "torchscript"):
        if kind not in found:
            continue
        data = _checked(package, found[kind], kind)
        if kind == "torchscript":
            digest = hashlib.sha256(data).hexdigest()
            if trust:
                remember(digest)
            check_trusted(digest, str(package.path))
        return kind, data
    listed = ", ".join(sorted(map(str, weights))) or "none"
    absent = sorted(str(kind) for kind in weights if kind not in found)
    reason = f" (not in the package: {', '.join(absent)})" if absent else ""
    raise package.refused(
        f"its weights are {listed:.200}{reason}, and only onnx and torchscript in the "
        "package can be computed; choose a package with one of them"
    )


def _checked(package: Package, entry: Mapping[str, Any], kind: str) -> bytes:
    """Return the bytes of weights, which have the digest that is stated."""
    data = package.weights(entry.get("source"))
    stated = entry.get("sha256")
    if stated is not None and hashlib.sha256(data).hexdigest() != stated:
        raise package.broken(f"its {kind} weights do not have the SHA-256 it states")
    return data


def _first(tensors: Any, what: str, package: Package) -> Mapping[str, Any]:
    fits = isinstance(tensors, list) and tensors and isinstance(tensors[0], Mapping)
    if not fits:
        raise package.broken(f"it describes no {what}")
    if len(tensors) > 1 and what == "input":
        raise package.refused(f"its network takes {len(tensors)} inputs at once")
    first: Mapping[str, Any] = tensors[0]
    return first
