"""What the widget says about a weight map."""

import numpy as np

from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.widgets._weights.frame import Frame
from napari_unet_studio.widgets._weights.overlay import Overlay


def summary(overlay: Overlay, config: WeightConfig) -> str:
    """Return what there is to know about the frame in view."""
    maps = overlay.maps
    index = overlay.in_view()[0]
    lines = []
    if index:
        number = int(np.ravel_multi_index(index, maps.leading)) + 1
        kind = "Slice" if maps.source.axes[0] == "Z" else "Frame"
        kind = kind if len(index) == 1 else "Plane"  # of all slices of all time points
        lines.append(f"{kind} {number} of {maps.count}")
    frame = maps.kept(index)
    if frame is not None:
        lines += _objects(frame)
        if config.preset != "2019" and config.balance != "none":
            lines.append(_balance(overlay, frame, config))
        elif maps.reading.classes is not None:
            lines.append("The classes count only with a class balance.")
    if index not in overlay.written and frame is None:
        lines.append("These weights are not computed.")
        return "\n".join(lines)
    low, high = overlay.range_in_view()
    if np.isnan(low):
        lines.append("These weights were not computed. Press Refresh.")
    else:
        lines.append(f"Weights in view: {low:.2f} to {high:.2f}")
    return "\n".join(lines)


def advice(overlay: Overlay) -> str:
    """Return what to do next."""
    maps = overlay.maps
    frame = maps.kept(overlay.in_view()[0])
    if frame is not None and frame.mask_of and not maps.reading.pieces:
        return (
            f"This is a mask of one value with {frame.mask_of} connected pieces. "
            "Tick “Each connected piece is an object” to weigh their gaps."
        )
    if overlay.in_view_only:
        return (
            "The sliders move the weights. This layer is large: only frames that come "
            "into view are computed."
        )
    return "Move the sliders: the weights follow."


def _objects(frame: Frame) -> list[str]:
    counts = _many(frame.objects, "object")
    if frame.pairs is not None:
        counts += f", {_many(frame.pairs, 'touching pair')}"
    lines = [counts]
    if frame.ignore is not None:
        share = 100 * frame.ignored / max(1, frame.ids.size)
        counted = f"{frame.ignored:,} pixel{'s' * (frame.ignored != 1)} ({share:.1f} %)"
        lines.append(f"Without annotation: {counted}, weight 0")
    if frame.vanished:
        lines.append(
            f"The gap of {frame.gap} px removes "
            f"{_many(frame.vanished, 'object')} entirely."
        )
    return lines


def _balance(overlay: Overlay, frame: Frame, config: WeightConfig) -> str:
    maps = overlay.maps
    if not maps.ready(config) or frame.gap != config.gap:
        return "Class weights: not counted yet"
    classes = maps.reading.classes
    names = ["objects"] if classes is None else [str(name) for name in classes.names]
    numbers = frame.table(config, maps.numbers(config))
    terms = zip(["background", *names], numbers, strict=False)
    return "Class weights: " + ", ".join(f"{name} {w:.3g}" for name, w in terms)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}" if count else f"no {what}s"
