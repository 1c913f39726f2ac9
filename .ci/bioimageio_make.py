"""Write packages of the bundled model and of some networks, with our predictions."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import napari_unet_studio as us
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.io.bioimageio_tensors import smallest_input
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.export_tiles import centre_tile, frame_for

ZSCORE = Normalisation("zscore")
FIXED = Normalisation("fixed", 10.0, 240.0)
EACH = Normalisation("fixed", offsets=(10.0, 0.0, -5.0), scales=(200.0, 250.0, 300.0))
JOINT = Normalisation("percentile", 2.0, 99.0, joint=True)

# One of each kind of description: network, changes, normalisation.
CHOSEN = {
    "valid 2D": ("unet-2015", {}, Normalisation()),
    "valid 3D of three channels": ("unet-3d-2016", {}, JOINT),
    "padded 3D": ("unet-3d", {}, ZSCORE),
    "averaged heads": ("unet++-16", {}, FIXED),
    "guided, four classes": ("unet3+-guided", {"num_classes": 4}, Normalisation()),
    "whole image": ("eff-unet-b0", {}, ZSCORE),
    "RGB, two classes": ("unet-16", {"in_channels": 3, "num_classes": 2}, EACH),
}


def model_of(name: str, spec: NetworkSpec, rule: Normalisation) -> Model:
    """Build a narrow network with weights that are not those of a fresh one."""
    torch.manual_seed(0)
    network = build(spec.scaled(1 / 32)).eval()
    for module in network.modules():
        if isinstance(getattr(module, "running_mean", None), torch.Tensor):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
        if isinstance(getattr(module, "bias", None), torch.Tensor):
            torch.nn.init.uniform_(module.bias, 0, 0.5)  # no channel is dead
    # Values that are no indices.
    classes = tuple(3 * index for index in range(max(2, spec.num_classes)))
    card = ModelCard(
        name=f"{name} of random weights",
        spec=network.spec,
        normalisation=rule,
        target="classes",
        class_values=classes,
        spacing=(2.0, 0.5, 0.5)[-spec.ndim :],
        unit="um",
    )
    return Model(network, card)


def chosen(names: list[str]) -> dict[str, Model]:
    """Return the models to write: the usual ones, or networks by their names."""
    models = {
        name: us.load_model(name)
        if name == "nuclei"
        else model_of(name, NETWORKS[name], Normalisation())
        for name in names or ["nuclei"]
    }
    if not names:
        models |= {
            name: model_of(name, replace(NETWORKS[network], **changes), rule)
            for name, (network, changes, rule) in CHOSEN.items()
        }
    return models


def main() -> None:
    """Write the packages into the folder that is named first."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    names = [*NETWORKS] if sys.argv[2:] == ["all"] else sys.argv[2:]
    for name, model in chosen(names).items():
        spec = model.card.spec
        path = folder / f"{name}.zip"
        done = us.export(
            model, path, authors="Ada Lovelace", licence=model.card.licence or "MIT"
        )
        # Another size than that of the package's own test.
        shape = spec.input_shape(
            np.add(smallest_input(spec), [axis.divisor for axis in spec.axes]).tolist()
        )
        image = centre_tile(frame_for(model.card, None, None, None), shape)
        offset, scale = model.card.normalisation.fit(image)
        given = model.card.normalisation.apply(image, offset, scale)
        with torch.inference_mode():
            logits = model.network(torch.from_numpy(given[np.newaxis]))
        single = logits.shape[1] == 1
        answer = logits.sigmoid() if single else logits.softmax(dim=1)
        np.savez(path.with_suffix(".npz"), image=image, answer=answer[0].numpy())
        sys.stdout.write(f"{name}: written, differs by {done.difference:.1e}\n")


main()
