"""What results say of themselves suffices to make them again, bit for bit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from napari.components import ViewerModel

import napari_unet_studio as us
from napari_unet_studio.io.images import read_image, write_tiff
from napari_unet_studio.layers import METADATA_KEY, predict_layer
from napari_unet_studio.sample_data import nuclei_2d

SAMPLE = nuclei_2d((128, 120), seed=3)


def test_a_layer_is_made_again_from_its_metadata_alone() -> None:
    viewer = ViewerModel()
    pair = np.stack([SAMPLE.image // 3, SAMPLE.image])
    viewer.add_image(pair, name="pair", axis_labels=("c", "y", "x"))
    threads = torch.get_num_threads()
    predict_layer(
        viewer,
        "pair",
        "nuclei",
        us.PredictConfig(tile=128, average="flips"),
        us.ObjectConfig(threshold=0.4, min_size=30, split=1.5),
        channel=1,
        region=(slice(10, 110), slice(3, 99)),
    )
    labels = viewer.layers[-1]
    kept = json.dumps(labels.metadata[METADATA_KEY])  # plain types
    made: dict[str, Any] = json.loads(kept)
    model = us.load_model(made["model"])
    assert model.digest == made["digest"]
    # A layer's first colours load a library that lets torch compute with more threads.
    torch.set_num_threads(threads)
    again = predict_layer(
        viewer,
        made["source"],
        model,
        us.PredictConfig.from_dict(made["prediction"]),
        us.ObjectConfig.from_dict(made["objects"]),
        made["layer_axes"],
        add=False,
        channel=made["channel"],
        region=tuple(slice(*part) for part in made["region"]),
    )
    np.testing.assert_array_equal(again.labels, labels.data)
    # The order of sums depends on the number of threads, which viewers change.
    np.testing.assert_allclose(
        again.probabilities[0], viewer.layers[-2].data, rtol=1e-4, atol=1e-6
    )


def test_a_store_is_made_again_from_its_attributes_alone(tmp_path: Path) -> None:
    image = write_tiff(tmp_path / "a.tif", SAMPLE.image, "YX", (0.5, 0.4))
    objects = us.ObjectConfig(threshold=0.4, split=1.5)
    first = us.predict_zarr(image, tmp_path / "a.zarr", "nuclei", objects=objects)
    made: Any = zarr.open_group(tmp_path / "a.zarr", mode="r").attrs
    made = dict(made)[METADATA_KEY]
    model = us.load_model(made["model"])
    assert model.digest == made["digest"] == first.digest
    names = ("axes", "channel_axis", "channel", "spacing", "unit", "level")
    second = us.predict_zarr(
        made["image"],
        tmp_path / "b.zarr",
        model,
        us.PredictConfig.from_dict(made["prediction"]),
        objects=us.ObjectConfig.from_dict(made["objects"]),
        **{name: made[name] for name in names},
    )
    for inside in ("", f"labels/{first.name}"):
        one, other = (read_image(s.path / inside).array for s in (first, second))
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_the_digest_is_of_the_network_not_of_its_name() -> None:
    model = us.load_model("nuclei")
    other = model.renamed("other")
    assert other.digest == model.digest
    next(iter(other.network.parameters())).data[0] += 1e-3
    assert other.digest != us.load_model("nuclei").digest
