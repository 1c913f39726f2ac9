"""The model card of a bioimage.io package of others."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.foreign import ForeignSpec
from napari_unet_studio.io.bioimageio_axes import Tensor
from napari_unet_studio.io.bioimageio_meaning import Meaning
from napari_unet_studio.io.bioimageio_package import Package, texts
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.io.names import as_name


def card_of(
    package: Package,
    spec: ForeignSpec,
    rule: Normalisation,
    threshold: float | None,
    meaning: Meaning,
    given: Tensor,
    notes: Sequence[str],
) -> ModelCard:
    """Return the card of a package.

    Parameters
    ----------
    package
        What its description says goes into the card.
    spec, rule, threshold, meaning
        What was made of it; the threshold None if it states none.
    given
        Axes of its input, with the size of a pixel.
    notes
        Sentences for the user.
    """
    values = package.description
    sides = [given.sides[letter] for letter in given.space]
    known = all(side.unit for side in sides) and len({s.unit for s in sides}) == 1
    source = values.get("git_repo")
    return ModelCard(
        name=as_name(str(values.get("name", package.path.stem))),
        spec=spec,
        normalisation=rule,
        target=meaning.target,
        class_values=meaning.class_values,
        spacing=tuple(side.scale for side in sides) if known else None,
        unit=str(sides[0].unit) if known else "pixel",
        threshold=threshold or 0.5,
        description=" ".join(str(values.get("description", "")).split())[:4000],
        licence=" ".join(texts(values.get("license"))),
        authors=tuple(_people(values.get("authors"))),
        cite=tuple(_references(values.get("cite"))),
        created=str(values.get("timestamp") or ""),
        notes="\n".join(notes),
        origin={
            "format": f"bioimage.io {values.get('format_version')}",
            "file": package.path.name,
            "sha256": spec.digest,
            **({"url": source} if isinstance(source, str) else {}),
        },
    )


def _people(values: Any) -> list[str]:
    found = []
    for each in values if isinstance(values, list) else ():
        name = each.get("name") if isinstance(each, Mapping) else each
        found += [re.split(r";@", text)[0] for text in texts(name)]
    return found[:100]


def _references(values: Any) -> list[str]:
    found = []
    for each in values if isinstance(values, list) else ():
        if isinstance(each, Mapping):
            parts = [
                *texts(each.get("text")),
                *texts(each.get("doi") or each.get("url")),
            ]
            found.append(", ".join(part.rstrip(". ") for part in parts))
    return [text for text in found if text][:100]
