"""The tests of bioimage.io packages, and how near they are to what is computed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet_studio.core.errors import ModelFileError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.io.bioimageio_axes import Tensor
from napari_unet_studio.io.bioimageio_package import Package

# A larger difference from the package's own test is worth a sentence.
_ALIKE = 1e-4


def sample_of(package: Package, which: str) -> NDArray[Any] | None:
    """Return the test tensor of the first "input" or "output", None if it is absent."""
    values = package.description
    old = values.get(f"test_{which}s")
    source = old[0] if isinstance(old, list) and old else None
    listed = values.get(f"{which}s")
    if source is None and isinstance(listed, list) and listed:
        test = listed[0].get("test_tensor") if isinstance(listed[0], Mapping) else None
        source = test.get("source") if isinstance(test, Mapping) else test
    return package.tensor(source) if source in package else None


def arranged(array: NDArray[Any], tensor: Tensor, package: Package) -> NDArray[Any]:
    """Return an array with the axes (N, C, *S)."""
    axes = tensor.axes
    if array.ndim != len(axes):
        raise package.broken(f"a test tensor has {array.ndim} axes, not {axes}")
    for letter in "cb":
        if letter not in axes:
            array, axes = array[np.newaxis], letter + axes
    return array.transpose([axes.index(letter) for letter in "bc" + tensor.space])


def computed(
    network: Any, rule: Normalisation, images: NDArray[Any], raw: bool = False
) -> NDArray[np.float32]:
    """Return what a network makes of images (N, C, *S), prepared as in a prediction.

    Parameters
    ----------
    network
        One of ours, or a foreign one.
    rule
        How grey values become input.
    images
        As they come from a microscope.
    raw
        The foreign file's own output instead of logits.
    """
    found = []
    network = network.eval()
    with torch.inference_mode():
        for image in images:
            ready = rule.apply(image, *rule.fit(image))
            call = network.output if raw else network
            found.append(call(torch.from_numpy(ready)[None])[0].numpy())
    return np.stack(found)


def apart(found: NDArray[Any], wanted: NDArray[Any]) -> float:
    """Return the largest difference; of the middle, where one is larger."""
    wanted = wanted.reshape(-1, *wanted.shape[-found.ndim + 1 :])
    if found.shape[:2] != wanted.shape[:2]:
        raise ModelFileError(
            f"The package's test output has the shape {wanted.shape}, and its network "
            f"answers {found.shape}; ask its authors."
        )
    for axis in range(2, found.ndim):
        size = min(found.shape[axis], wanted.shape[axis])
        found, wanted = (
            each.take(range((n := each.shape[axis] - size) // 2, n // 2 + size), axis)
            for each in (found, wanted)
        )
    return float(np.abs(found.astype(np.float64) - wanted).max())


def about_difference(difference: float | None) -> list[str]:
    """Say what a test showed, if it is worth a sentence."""
    if difference is None:
        return ["The package holds no test, so nothing shows that it is read rightly."]
    if difference <= _ALIKE:
        return []
    return [
        f"The package's own test answer differs by up to {difference:.2g} from what is "
        "computed here; look at the results closely."
    ]
