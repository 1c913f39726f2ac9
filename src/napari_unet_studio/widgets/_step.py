"""One finished run of a dock: its code, and the layers that it used and made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import ReferenceType, ref

import numpy as np

from napari_unet_studio.widgets._origins import Place, place_of

Reference = ReferenceType[Any]
Strokes = tuple[int, Reference | None]


@dataclass(frozen=True, eq=False)
class Named:
    """A layer as it was: its name, and what tells whether its pixels were changed.

    Parameters
    ----------
    of
        The layer, not kept alive.
    name
        Its name.
    born
        The name that it came with, if a run made it; "" if that is not known any more.
    data
        Its pixels, not kept alive; None of what cannot tell.
    place
        Where it is, see :func:`._origins.place_of`.
    strokes
        How many strokes of the brush can be undone, and what the last one painted over,
        not kept alive.
    """

    of: Reference
    name: str
    born: str
    data: Reference | None
    place: Place
    strokes: Strokes

    @classmethod
    def as_is(cls, layer: Any) -> "Named":
        """Return a layer as it is now."""
        layer = plain(layer)
        data = None
        if not layer.multiscale:
            try:
                data = ref(layer.data)
            except TypeError:
                data = None
        name, place = layer.name, place_of(layer)
        return cls(ref(layer), name, name, data, place, _strokes(layer))

    @property
    def layer(self) -> Any:
        """The layer, None if it is gone for good."""
        return self.of()

    @property
    def intact(self) -> bool:
        """Whether its pixels are those of then, as far as can be told at a glance."""
        layer = self.layer
        if layer is None:
            return True
        same = self.data is None or layer.multiscale or self.data() is layer.data
        count, last = _strokes(layer)
        return same and count == self.strokes[0] and last is self.strokes[1]

    def since(self, before: "Named") -> "Named":
        """Return it with the name that it came with, and as untouched as it was then.

        A result is recorded again when other settings are shown, and when it is shown
        again: with the same array, strokes that were made meanwhile still count.
        """
        strokes = before.strokes if self.same_data(before) else self.strokes
        return replace(self, born=before.born, strokes=strokes)

    def same_data(self, other: "Named") -> bool:
        """Whether both hold one array, which is still there."""
        mine, others = (None if x.data is None else x.data() for x in (self, other))
        return mine is not None and mine is others

    def as_used(self, before: "Named") -> "Named":
        """Return it by its name and place of now, with the pixels of then."""
        return replace(self, data=before.data, strokes=before.strokes)


@dataclass(frozen=True, eq=False)
class Step:
    """A finished run; see :func:`._session.record`.

    Parameters
    ----------
    what, code, model, trained
        The work, the lines, and the models by name.
    used, made
        The layers.
    changed
        The layer that is changed, if one is.
    """

    what: str
    code: str
    used: tuple[Named, ...]
    made: tuple[Named, ...]
    changed: Named | None
    model: str
    trained: str

    @classmethod
    def of(
        cls,
        what: str,
        code: str,
        used: Sequence[Any],
        made: Sequence[Any],
        changed: Any,
        model: str,
        trained: str,
    ) -> "Step":
        """Return a run with its layers as they are now."""
        layers = [layer for layer in used if layer is not None]
        return cls(
            what,
            code,
            tuple(map(Named.as_is, layers)),
            tuple(map(Named.as_is, made)),
            None if changed is None else Named.as_is(changed),
            model,
            trained,
        )

    def made_of(self, layer: Any) -> bool:
        """Whether it made a layer."""
        return layer is not None and any(each.layer is layer for each in self.made)

    def replaces(self, before: "Step") -> bool:
        """Whether its results stand where those of an earlier run stood."""
        if self.changed is not None and before.changed is not None:
            return self.changed.layer is before.changed.layer
        return any(before.made_of(each.layer) for each in self.made)

    def after(self, before: "Step") -> "Step":
        """Return it with what is known of its layers from an earlier run."""
        known = {each.of: each for each in before.made}
        made = (each.since(known.get(each.of, each)) for each in self.made)
        if [use.name for use in self.used] != [use.name for use in before.used]:
            # They came with names after those of then.
            made = (replace(each, born="") for each in made)
        used = self.used
        if any(x.of in known and x.same_data(known[x.of]) for x in self.made):
            # Shown with other settings, such as those of objects in probabilities that
            # stay: what was done to the image since is no part of it.
            then = {each.of: each for each in before.used}
            used = tuple(each.as_used(then.get(each.of, each)) for each in used)
        return replace(self, used=used, made=tuple(made))


def plain(wrapped: Any) -> Any:
    """Return what napari wraps for plugins: wrappers come and go."""
    return getattr(wrapped, "__wrapped__", wrapped)


def _strokes(layer: Any) -> Strokes:
    history = getattr(layer, "_undo_history", ())
    if not history:
        return 0, None
    # The number alone stays the same once napari forgets the first strokes, and if
    # another one is painted in place of one that was undone.
    arrays = [part for part in history[-1][-1] if isinstance(part, np.ndarray)]
    return len(history), ref(arrays[-1]) if arrays else None
