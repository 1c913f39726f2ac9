"""Code that compares as the widget does: Python, or for a shell."""

from dataclasses import replace

from napari_unet_studio.widgets._code import File, Files, place_options
from napari_unet_studio.widgets._compare.plan import Plan


def as_python(plan: Plan, shown: str | None) -> str:
    """Return code for napari's console.

    Parameters
    ----------
    plan
        What a run would do now.
    shown
        Name of the candidate whose errors are on display.
    """
    lines = ["import napari_unet_studio as us", ""]
    picture = plan.picture
    image = "None" if picture is None else picture.expression
    if picture is not None and picture.data.shape != _shape(plan.image):
        image += "[..., :3]"  # the opacity of colours is left out
    lines += [f"image = {image}", f"reference = {plan.source.expression}"]
    models, labels = [], []
    for entry, name in zip(plan.entries, plan.names, strict=True):
        if entry.layer is None:
            models.append(f"        {name!r}: {entry.reference!r},")
        else:
            level = "[0]" * entry.layer.multiscale
            data = f"viewer.layers[{entry.layer.name!r}].data{level}"
            labels.append(f"        {name!r}: {data},")
    lines += ["comparison = us.compare(", "    image,", "    reference,"]
    if models:
        lines += ["    models={", *models, "    },"]
    if labels:
        lines += ["    labels={", *labels, "    },"]
    if plan.kind != "objects":
        lines.append(f"    kind={plan.kind!r},")
    lines.append(f"    axes={plan.axes!r},")
    if picture is not None:
        if picture.channel_axis is not None:
            lines.append(f"    channel_axis={picture.channel_axis},")
        lines.append(f"    spacing={picture.spacing},")
    if plan.channel is not None:
        lines.append(f"    channel={plan.channel!r},")
    if shown is not None:
        lines.append("    keep=True,")
    lines += [")", "print(comparison)"]
    if shown is not None and plan.kind == "objects":
        lines += [
            "",
            "from napari_unet_studio.layers import add_tuples, source_of",
            "from napari_unet_studio.layers.errors import errors_tuple",
            "",
            f"errors = comparison[{shown!r}].images[0].errors",
            f"place = source_of(viewer.layers[{plan.source.name!r}])",
            f"add_tuples(viewer, [errors_tuple(errors, place, {shown!r})])",
        ]
    return "\n".join(lines) + "\n"


def as_shell(plan: Plan) -> str:
    """Return a command that compares the files of the layers.

    Parameters
    ----------
    plan
        What a run would do now.
    """
    files = Files()
    reference = files.of(plan.reference)
    image = reference if plan.picture is None else files.of(plan.image)
    words: list[object] = ["unet-studio", "compare", image.path, reference.path]
    for entry in plan.entries:
        if entry.layer is None:
            words += ["--model", entry.reference]
        else:
            words += ["--segmentation", files.of(entry.layer).path]
    if plan.kind != "objects":
        words.append(f"--{plan.kind}")
    words += _place(plan, image)
    if plan.channel is not None:
        words += ["--channel", plan.channel]
    return files.command(words)


def _place(plan: Plan, image: File) -> list[str]:
    """Return what the files do not say of the axes and the pixel size."""
    if plan.picture is None:
        sides = len(plan.axes)
        return [] if sides == 2 else ["--axes", plan.axes]
    count = sum(axis in "ZYX" for axis in plan.axes)
    spacing = plan.picture.spacing
    spacing = (1.0,) * (count - len(spacing)) + spacing[-count:]
    before, channels, _ = plan.picture.letters.partition("C")
    letters = plan.axes[: len(before)] + channels + plan.axes[len(before) :]
    source = replace(plan.picture, axes=plan.axes, spacing=spacing, letters=letters)
    words = place_options(image, source)
    if "--unit" in words:  # models take the pixels of the image: sizes are relative
        del words[words.index("--unit") :]
    return words


def _shape(layer: object) -> tuple[int, ...]:
    data = layer.data[0] if layer.multiscale else layer.data  # type: ignore[attr-defined]
    return tuple(data.shape)
