"""Code that deforms layers as the widget does: Python, or for a shell."""

from napari_unet_studio.core.deform import DeformConfig
from napari_unet_studio.widgets._code import Files, place_options
from napari_unet_studio.widgets._deform.chosen import Chosen
from napari_unet_studio.widgets._deform.preview import Deformation


def as_python(deformation: Deformation | None, config: DeformConfig) -> str:
    """Return code that deforms the layers anew."""
    lines = ["import numpy as np", "import napari_unet_studio as us", ""]
    settings = f"grid={config.grid}, sigma={config.sigma:g}, seed={config.seed}"
    if config.interpolation != DeformConfig().interpolation:
        settings += f", interpolation={config.interpolation!r}"
    if deformation is None:
        lines += [
            'image = viewer.layers["image"].data',
            f"deformed = us.elastic_deform(image, {settings})",
        ]
        return "\n".join(lines) + "\n"
    lines.append(f"settings = dict({settings}, spacing={deformation.spacing})")
    channel = deformation.image.channel_axis
    calls = {
        "labels": "us.elastic_deform(frame, frame, **settings)[1]",
        "weights": "us.elastic_deform(frame, weight_map=frame, **settings)[1]",
    }
    for source, name in (
        (deformation.image, "image"),
        (deformation.labels, "labels"),
        (deformation.weights, "weights"),
    ):
        if source is None:
            continue
        ndim, axis = source.data.ndim, channel if name == "image" else None
        spatial = [a for a in range(ndim) if a != axis][-deformation.ndim :]
        lead = spatial[0] if axis is None or axis > spatial[0] else ndim - len(spatial)
        within = (
            f", channel_axis={axis - lead}" if axis is not None and axis >= lead else ""
        )
        call = calls.get(name, f"us.elastic_deform(frame, **settings{within})")
        lines += [
            "",
            f"{name} = {source.expression}",
            f"deformed_{name} = np.empty({name}.shape, {name}.dtype)",
            f"for index in np.ndindex({name}.shape[:{lead}]):",
            f"    frame = np.asarray({name}[index])",
            f"    deformed_{name}[index] = {call}",
        ]
    return "\n".join(lines) + "\n"


def as_shell(chosen: Chosen, config: DeformConfig) -> str:
    """Return a command that deforms the files of the layers."""
    files = Files()
    image, *others = (files.of(layer) for layer in chosen.layers)
    source, ndim = chosen.deformation.image, chosen.deformation.ndim
    out = f"{image.path.stem} deformed.tif"
    words: list[object] = ["unet-studio", "deform", image.path, "--out", out]
    names = {"labels": "--labels", "weight_map": "--weights"}
    for template, file in zip(chosen.templates[1:], others, strict=True):
        words += [names[template.part], file.path]
    words += place_options(image, source)
    if ndim == 2 and "Z" in source.axes:
        words.append("--planes")
    words += ["--grid", config.grid, "--sigma", config.sigma, "--seed", config.seed]
    words += ["--interpolation", config.interpolation]
    return files.command(words)


def as_step(chosen: Chosen, config: DeformConfig) -> str:
    """Return code that adds the deformed layers to the viewer, by their names now."""
    image, *others = chosen.layers
    names = {"labels": "labels", "weight_map": "weights"}
    parts = [names[template.part] for template in chosen.templates[1:]]
    words = [repr(image.name), repr(config.to_dict())]
    words += [
        f"{part}={layer.name!r}" for part, layer in zip(parts, others, strict=True)
    ]
    if chosen.deformation.ndim == 3:
        words.append("ndim=3")
    body = "".join(f"    {word},\n" for word in ["viewer", *words])
    return f"us.deform_layer(\n{body})\n"
