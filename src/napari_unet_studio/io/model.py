"""A trained network with everything needed to use it again."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import ModelFileError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import spec_from_dict
from napari_unet_studio.core.networks.spec import NetworkSpec

if TYPE_CHECKING:
    from napari_unet_studio.core.networks.network import Network
    from napari_unet_studio.core.object_config import ObjectConfig
    from napari_unet_studio.io.foreign import ForeignNetwork

SCHEMA_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a model file says about its network.

    Parameters
    ----------
    name
        Shown in menus.
    spec
        The network.
    normalisation
        How grey values become network input.
    target
        "objects": one logit, foreground against background and the gaps between
        objects, or two, the background first. "classes": one logit per class.
    class_values
        For "classes": the label value of each class index.
    spacing
        Pixel size of the training images per axis, if known.
    unit
        Unit of `spacing`.
    threshold
        Probability from which a pixel is foreground.
    gap
        Pixels of background that the training target had between touching objects.
    min_size
        Pixels of the smallest thing that can be an object.
    description
        What the model is for; see `purpose`.
    licence
        For people.
    training
        The configuration and course of the training.
    scores
        Measures on the validation images; empty without validation.
    data
        Names and SHA-256 digests of the training arrays.
    versions
        Versions of the software that made the model.
    created
        ISO time.
    authors
        Who made the model.
    cite
        What to cite, each a reference or a DOI.
    limits
        What the model is not for.
    notes
        The user's own.
    tests
        Scores on images that had no part in the training: mappings of "name", "images"
        (their number), "scores", "command" and "date".
    origin
        Of an imported model: "format", "file", "sha256", "url" as far as known.
    """

    name: str
    spec: NetworkSpec
    normalisation: Normalisation = field(default_factory=Normalisation)
    target: Literal["objects", "classes"] = "objects"
    class_values: tuple[int, ...] = (0, 1)
    spacing: tuple[float, ...] | None = None
    unit: str = "pixel"
    threshold: float = 0.5
    gap: int = 0
    min_size: int = 16
    description: str = ""
    licence: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    data: tuple[Mapping[str, str], ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    authors: tuple[str, ...] = ()
    cite: tuple[str, ...] = ()
    limits: str = ""
    notes: str = ""
    tests: tuple[Mapping[str, Any], ...] = ()
    origin: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<ModelCard {self.name!r}: {self.spec.family}, {self.axes}>"

    @property
    def axes(self) -> str:
        """Spatial axes of the network's input, such as "YX"."""
        return "ZYX"[-self.spec.ndim :]

    @property
    def purpose(self) -> str:
        """The first statement of the description: one line, short enough for a list.

        Examples
        --------
        >>> from napari_unet_studio.core.networks.catalog import get_spec
        >>> text = "Cells: 60 images."
        >>> ModelCard(name="a", spec=get_spec("unet-16"), description=text).purpose
        'Cells'
        """
        return re.split(r"[:.](?:\s|$)|\n", self.description, maxsplit=1)[0].strip()

    @property
    def learnt_from(self) -> int:
        """How many images were trained on; not those that judged on the way."""
        return sum(each.get("role") != "validate" for each in self.data)

    @property
    def objects(self) -> "ObjectConfig":
        """How probabilities of this network become objects by default.

        A network that learned a gap leaves one pixel more on each side of it, in doubt.
        """
        # Here, because scikit-image need not be loaded to read a card.
        from napari_unet_studio.core.object_config import ObjectConfig

        wider = self.gap + 2 if self.gap else 0
        return ObjectConfig(
            threshold=self.threshold, min_size=self.min_size, close_gaps=wider
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the card as plain JSON types."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values["spec"] = self.spec.to_dict()
        values["normalisation"] = asdict(self.normalisation)
        values["scores"] = _measured(self.scores)
        return {"schema": SCHEMA_VERSION, **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ModelCard":
        """Rebuild a card from :meth:`to_dict`, checking what it finds.

        Raises
        ------
        ModelFileError
            If the card is newer than this version, or lacks or misstates a field.
        """
        fields = dict(values)
        schema = fields.pop("schema", None)
        if not isinstance(schema, int) or schema < 1:
            raise ModelFileError(
                "The model card states no schema version; choose a file saved by "
                "napari-unet-studio."
            )
        if schema > SCHEMA_VERSION:
            raise ModelFileError(
                f"The model has schema version {schema}; this version reads up to "
                f"{SCHEMA_VERSION}. Update napari-unet-studio to open it."
            )
        try:
            for version in range(schema, SCHEMA_VERSION):
                fields = _MIGRATIONS[version](fields)
            fields["spec"] = spec_from_dict(fields["spec"])
            fields["normalisation"] = Normalisation(**fields["normalisation"])
            fields["class_values"] = tuple(int(v) for v in fields["class_values"])
            if fields.get("spacing") is not None:
                fields["spacing"] = tuple(float(v) for v in fields["spacing"])
            for name in ("data", "authors", "cite", "tests"):
                fields[name] = tuple(fields.get(name, ()))
            card = cls(**fields)
            card._check()
        except KeyError as error:
            raise ModelFileError(
                f"The model card is damaged or foreign: it has no field {error}."
            ) from error
        except (ArithmeticError, TypeError, ValueError) as error:
            reason = str(error).rstrip(".")
            raise ModelFileError(
                f"The model card is damaged or foreign: {reason}."
            ) from error
        return card

    def _check(self) -> None:
        """Raise a ValueError or TypeError for a field that could not be used."""
        texts: tuple[str, ...] = (self.name, self.unit, self.description, self.licence)
        texts += (self.created, self.limits, self.notes, *self.authors, *self.cite)
        tables: tuple[object, ...] = (self.training, self.scores, self.versions)
        tables += (self.origin, *self.data, *self.tests)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a text is no text")
        if not all(isinstance(table, Mapping) for table in tables):
            raise TypeError("a table is no table")
        if self.target not in ("objects", "classes"):
            raise ValueError(f"the target {self.target!r} is unknown")
        if self.target == "objects" and self.spec.num_classes > 2:
            raise ValueError(f"objects have 1 or 2 logits, not {self.spec.num_classes}")
        classes = max(2, self.spec.num_classes)
        if self.target == "classes" and len(self.class_values) != classes:
            raise ValueError(f"{len(self.class_values)} values for {classes} classes")
        if not all(-(2**31) <= value < 2**31 for value in self.class_values):
            raise ValueError("a class value exceeds 32 bits")
        if self.spacing is not None and (
            len(self.spacing) != self.spec.ndim
            or not all(0 < size < math.inf for size in self.spacing)
        ):
            raise ValueError(f"the spacing {self.spacing} does not suit {self.axes}")
        if self.gap < 0:
            raise ValueError(f"the gap is {self.gap}")
        _ = self.objects  # checks its own fields


def _from_1(fields: dict[str, Any]) -> dict[str, Any]:
    """Bring a card of schema 1 up to 2: scores that are not measured are absent.

    It wrote NaN or null for them. The fields that are new in 2 have defaults.
    """
    return {**fields, "scores": _measured(fields.get("scores", {}))}


def _measured(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the scores that could not be measured: None and NaN."""
    pairs = dict(scores).items()
    return {
        name: value for name, value in pairs if value is not None and value == value
    }


# What turns the fields of a card of each older schema into those of the next.
_MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}


class Model:
    """A network with its card; what training returns and prediction takes.

    Parameters
    ----------
    network
        A module built from ``card.spec``; of another program's file, one that runs it.
    card
        How to feed it and what its output means.
    thumbnail
        Optional picture (Y, X, 3) uint8 that is stored with the model.

    Examples
    --------
    >>> import napari_unet_studio as us
    >>> model = us.load_model("nuclei")
    >>> model.name, model.card.axes, model.renamed("mine").digest == model.digest
    ('nuclei', 'YX', True)
    """

    def __init__(
        self,
        network: "Network | ForeignNetwork",
        card: ModelCard,
        thumbnail: NDArray[np.uint8] | None = None,
    ) -> None:
        self.network = network
        self.card = card
        self.thumbnail = thumbnail
        self._digest = ""

    def __repr__(self) -> str:
        return f"<Model {self.card.name!r}: {self.card.spec.family}, {self.card.axes}>"

    @property
    def name(self) -> str:
        """The card's name."""
        return self.card.name

    @property
    def drawn(self) -> "Network":
        """Its network, whose parts are known.

        Raises
        ------
        ConfigError
            If it is that of another program's file.
        """
        from napari_unet_studio.core.networks.foreign import check_drawn
        from napari_unet_studio.core.networks.network import Network

        check_drawn(self.card.spec, "cannot be taken apart")
        assert isinstance(self.network, Network)
        return self.network

    @property
    def digest(self) -> str:
        """SHA-256 of the network, its weights included; names and notes do not count.

        Two models of one digest answer alike, but for how the card has images
        normalised and pixels made into objects.
        """
        if self._digest:
            return self._digest
        from napari_unet_studio.core.networks.network import digest
        from napari_unet_studio.io.plain_json import dumps

        return digest(self.network, dumps(self.card.spec.to_dict()))

    def settled(self) -> "Model":
        """Return it with its digest taken once, for work that leaves weights alone."""
        found = Model(self.network, self.card, self.thumbnail)
        found._digest = self.digest
        return found

    def renamed(self, name: str) -> "Model":
        """Return the same network under another name."""
        return Model(self.network, replace(self.card, name=name), self.thumbnail)

    def save(self, path: str | Path, half: bool = False) -> Path:
        """Write a ``.unet`` file, whole or not at all, and return its path.

        Parameters
        ----------
        path
            The suffix ``.unet`` is added if absent.
        half
            Store weights in half precision: half the size, for sharing.

        Raises
        ------
        StorageError
            If the path names no file or cannot be written.
        """
        from napari_unet_studio.io.model_file import save_model

        return save_model(self, path, half=half)

    def info(self) -> dict[str, Any]:
        """Return the card and the network's key figures as plain JSON types."""
        spec = self.card.spec
        return {
            **self.card.to_dict(),
            "parameters": spec.parameters,
            "receptive_field": list(spec.receptive_field),
            "divisor": list(spec.divisor),
        }
