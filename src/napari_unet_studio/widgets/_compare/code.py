"""Python that compares as the widget does."""

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


def _shape(layer: object) -> tuple[int, ...]:
    data = layer.data[0] if layer.multiscale else layer.data  # type: ignore[attr-defined]
    return tuple(data.shape)
