"""What became of the tensors of a state dict, for people."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from napari_unet_studio.core.errors import ModelFileError

_SHOWN = 12  # lines of a kind


@dataclass(frozen=True)
class StateReport:
    """What became of the tensors of a state dict.

    Parameters
    ----------
    loaded
        Names in the network whose tensors were found.
    renamed
        Of these, the ones that the file calls otherwise: its name and ours. They are
        matched by their order, if the remaining tensors of both sides have the same
        shapes in the same order.
    missing
        Names in the network that the file lacks; these tensors are as freshly drawn.
    unexpected
        Names in the file that the network lacks.
    reshaped
        Name, shape in the file and shape in the network of tensors that do not fit,
        and were not loaded.
    """

    loaded: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    reshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every tensor of the network was loaded."""
        return not (self.missing or self.reshaped)

    def __str__(self) -> str:
        total = len(self.loaded) + len(self.missing) + len(self.reshaped)
        lines = [f"{len(self.loaded)} of {total} tensors of the network were loaded."]
        if self.renamed:
            lines.append(
                f"{len(self.renamed)} of them have other names in the file, and were "
                "matched by their order and shapes:"
            )
            lines += _some([f"{theirs} -> {ours}" for theirs, ours in self.renamed])
        for what, names in (
            ("Missing in the file, and left as freshly drawn", self.missing),
            ("In the file but not in the network", self.unexpected),
        ):
            if names:
                lines.append(f"{what} ({len(names)}):")
                lines += _some(names)
        if self.reshaped:
            lines.append(f"Of another shape, and not loaded ({len(self.reshaped)}):")
            lines += _some(
                [
                    f"{name}: {_shape(found)} in the file, {_shape(wanted)} here"
                    for name, found, wanted in self.reshaped
                ]
            )
        return "\n".join(lines)


class IncompleteStateError(ModelFileError):
    """A state dict does not fill the network that was chosen.

    Parameters
    ----------
    message
        A sentence, and the report.
    report
        What fits and what does not.
    """

    def __init__(self, message: str, report: StateReport | None = None) -> None:
        super().__init__(message)
        self.report = report


def _shape(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes)) or "one number"


def _some(lines: Sequence[str]) -> list[str]:
    shown = [f"  {_clean(line)}" for line in lines[:_SHOWN]]
    if len(lines) > _SHOWN:
        shown.append(f"  and {len(lines) - _SHOWN} more")
    return shown


def _clean(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", text)[:160]
