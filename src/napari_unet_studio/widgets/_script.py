"""The script of a session: what it opens, then one run after the other."""

import re
from collections.abc import Sequence
from typing import Any

from napari.utils.naming import inc_name_count

from napari_unet_studio.widgets._code import Files
from napari_unet_studio.widgets._origins import Origin, Place
from napari_unet_studio.widgets._step import Named, Reference, Step

_IMPORT = re.compile(r"(import|from) ")
_NUMBER = re.compile(r" \[\d+\]$")

_START = """\
begun = napari.current_viewer() is None
viewer = us.current_viewer()
"""
_END = """
if begun:  # without a window that is open already
    napari.run()
"""


class Script:
    """Puts runs together.

    Parameters
    ----------
    viewer
        Their viewer, with its layers as they are now.
    steps
        The runs, in order.
    origins
        Of the layers that none of them made.
    """

    def __init__(
        self, viewer: Any, steps: Sequence[Step], origins: Sequence[Origin]
    ) -> None:
        self._viewer = viewer
        self._steps = steps
        self._origins = list(origins)
        self._files = Files()
        self._imports = {"import napari": None, "import napari_unet_studio as us": None}
        self._named: dict[Reference, str] = {}  # the layers there are, by their names
        self._places: dict[Reference, Place] = {}
        self._models: dict[str, str] = {}  # the variable of a model by its name
        self._later: dict[Reference, Origin] = {}  # their names are taken at first

    def text(self) -> str:
        """Return the script."""
        kept = self._kept()
        used = {use.of for step in kept for use in _all_used(step)}
        opening: list[str] = []
        for origin in self._origins:
            if origin.of not in used:
                continue
            if origin.name in self._named.values():
                self._later[origin.of] = origin
            else:
                opening += self._opened(origin)
        work: list[str] = []
        for step in kept:
            work += ["", *self._lines(step, used)]
        layers = [(of, of()) for of in self._named]
        last = self._renamed([pair for pair in layers if self._holds(pair[1])])
        if last:
            work += ["", *last]
        head = [
            '"""A session of U-Net Studio, for napari\'s console or by itself."""',
            "",
            *self._files.comments.splitlines(),
            *sorted(self._imports, key=_order),
            "",
        ]
        lines = [*head, *_START.splitlines(), *opening, *work, *_END.splitlines()]
        return "\n".join(lines) + "\n"

    def _kept(self) -> list[Step]:
        """Return the runs whose results are there, or are used by such a run."""
        kept: list[Step] = []
        used: set[Reference] = set()
        models: set[str] = set()
        for step in reversed(self._steps):
            results = [*step.made, *([step.changed] if step.changed else [])]
            there = any(self._there(each) for each in results) or not results
            needed = any(each.of in used for each in step.made)
            if there or needed or step.trained in models - {""}:
                kept.append(step)
                used |= {use.of for use in _all_used(step)}
                models.add(step.model)
        return kept[::-1]

    def _there(self, each: Named) -> bool:
        return self._holds(each.layer)

    def _holds(self, layer: Any) -> bool:
        return layer is not None and layer in self._viewer.layers

    # -- one run ----------------------------------------------------------------------

    def _lines(self, step: Step, used: set[Reference]) -> list[str]:
        lines = []
        for use in _all_used(step):
            if use.of in self._later:
                lines += self._opened(self._later.pop(use.of))
        lines += self._renamed([(use.of, use) for use in _all_used(step)])
        for use in _all_used(step):
            lines += self._placed(use)
        lines.append(f"# {step.what}")
        for use in step.used:
            if not use.intact:
                lines.append(f"# The layer {use.name!r} was changed after this.")
        if step.made and not any(self._there(each) for each in step.made):
            lines.append("# Its layers were removed later; what follows needs them.")
        lines += self._body(step)
        lines += self._results(step, used)
        return lines

    def _body(self, step: Step) -> list[str]:
        """Return the lines of a run, with imports and viewer left to the head."""
        code = step.code
        if step.model in self._models:
            name, variable = repr(step.model), self._models[step.model]
            after = r"(?<=    )(?<!viewer,\n    )"  # there a layer of this name stands
            code = re.sub(rf"{after}{re.escape(name)}(?=,\n)", variable, code)
            code = re.sub(rf"(?<=: ){re.escape(name)}(?=,\n)", variable, code)
        if step.trained:
            number = len(self._models) + 1
            variable = "model" if number == 1 else f"model_{number}"
            self._models[step.trained] = variable
            code = re.sub(r"^model\b", variable, code, flags=re.MULTILINE)
        lines = []
        for line in code.splitlines():
            if _IMPORT.match(line):
                self._imports[line] = None
            elif line != "viewer = napari.current_viewer()":
                lines.append(line)
        return "\n".join(lines).strip("\n").splitlines()

    def _results(self, step: Step, used: set[Reference]) -> list[str]:
        """Give the new layers the names they had, and drop those that were removed."""
        lines: list[str] = []
        count, some = len(step.made), any(map(self._there, step.made))
        taken = self._named.values()
        names = [
            _coerced(each, taken) if _follows(each, step) else "" for each in step.made
        ]
        for place, (each, given) in enumerate(zip(step.made, names, strict=True)):
            if given != each.name:
                lines += self._freed(each.name)
                lines.append(f"viewer.layers[{place - count}].name = {each.name!r}")
            self._named[each.of] = each.name
            self._places[each.of] = each.place
        for place, each in enumerate(step.made):
            if not self._there(each) and each.of not in used and some:
                # Counted from the last, the others keep their places.
                lines.append(f"del viewer.layers[{place - count}]")
                del self._named[each.of]
        for each in step.made:
            if self._there(each) and not each.intact:
                path = self._files.of(None, each.name).path
                self._imports["import numpy as np"] = None
                self._imports["from napari_unet_studio.io.images import read_image"] = (
                    None
                )
                lines += [
                    f"viewer.layers[{each.name!r}].data = np.asarray(",
                    f"    read_image({str(path)!r}).array  # changed by hand",
                    ")",
                ]
        return lines

    def _renamed(self, layers: Sequence[tuple[Reference, Any]]) -> list[str]:
        """Rename layers to what they are called from here on."""
        lines = []
        for of, now in layers:
            before = self._named.get(of)
            if before is not None and now.name != before:
                lines += self._freed(now.name)
                lines.append(f"viewer.layers[{before!r}].name = {now.name!r}")
                self._named[of] = now.name
        return lines

    def _placed(self, use: Named) -> list[str]:
        """Put a layer where it was, if it was moved since it was opened or made."""
        before = self._places.get(use.of, use.place)
        self._places[use.of] = use.place
        if len(before["scale"]) != len(use.place["scale"]):  # it got other pixels
            return []
        return [
            f"viewer.layers[{use.name!r}].{part} = {value!r}"
            for part, value in use.place.items()
            if value != before.get(part)
        ]

    def _freed(self, name: str) -> list[str]:
        """Give another name to the layer that has a name which the next one had."""
        held = [of for of, taken in self._named.items() if taken == name]
        if not held:
            return []
        other = name
        while other in self._named.values():
            other = inc_name_count(other)
        self._named[held[0]] = other
        return [f"viewer.layers[{name!r}].name = {other!r}"]

    def _opened(self, origin: Origin) -> list[str]:
        lines = [*self._freed(origin.name), *origin.lines(self._files)]
        self._named[origin.of] = origin.name
        self._places[origin.of] = origin.place
        return lines


def _all_used(step: Step) -> tuple[Named, ...]:
    return step.used if step.changed is None else (*step.used, step.changed)


def _follows(each: Named, step: Step) -> bool:
    """Whether a new layer is named after one that was used, by its name of then.

    Else that was renamed while the run went on, or between a run and its repetition:
    which name a new layer gets is not known then.
    """
    return any(each.born.startswith(f"{use.name} ") for use in step.used)


def _coerced(each: Named, taken: Any) -> str:
    """Return the name that napari gives a new layer."""
    name = _NUMBER.sub("", each.born)
    while name in taken:
        name = inc_name_count(name)
    return name


def _order(line: str) -> tuple[bool, bool, str]:
    """Sort imports as usual: the standard library, packages, this package."""
    return line.startswith("from napari_unet"), not line.startswith("from path"), line
