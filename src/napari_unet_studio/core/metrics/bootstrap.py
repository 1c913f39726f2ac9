"""How sure scores are: bootstrap intervals over images or objects."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics.sums import Sums

LEVEL, RESAMPLES, SEED = 0.95, 1000, 0
AT_ONCE = 1 << 22  # weights held at a time


def intervals(
    sums: Sums, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, tuple[float, float]]:
    """Return an interval for each score.

    Parameters
    ----------
    sums
        Units that are drawn: images, or the objects of one.
    level
        Share of the resamples that lies within, above 0 and below 1.
    resamples
        Number of sets of as many units, drawn with replacement.
    seed
        Of numpy's generator: the same intervals each time.

    Returns
    -------
    dict of (low, high)
        Empty for fewer than two units. A score that no resample has is absent.

    Raises
    ------
    InputError
        If the level or the number is out of range.

    Notes
    -----
    The percentile bootstrap [1]_: the scores of each resample are those of its sums.
    It takes units as independent of each other. Of fewer than some ten units the
    intervals are too narrow. Resamples without a score do not count for it.

    References
    ----------
    .. [1] Efron and Tibshirani. An Introduction to the Bootstrap. 1993, chapter 13.

    Examples
    --------
    >>> from napari_unet_studio.core.metrics import ObjectSums, Overlap
    >>> objects = ObjectSums.of_objects(Overlap.of([[1, 0, 2, 0]], [[1, 0, 2, 3]]))
    >>> intervals(objects)["recall"]
    (0.0, 1.0)
    """
    if not 0 < level < 1:
        raise InputError(
            f"The level of the intervals is {level}; give a share such as 0.95."
        )
    if resamples < 1:
        raise InputError(
            f"The number of resamples is {resamples}; give 1 or more, such as 1000."
        )
    count = len(sums)
    if count < 2:
        return {}
    generator = np.random.default_rng(seed)
    batch = max(1, AT_ONCE // count)
    found: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for start in range(0, resamples, batch):
        weights = _drawn(generator, min(batch, resamples - start), count)
        for name, values in sums.weighted(weights).scores().items():
            found[name].append(values)
    ends = (0.5 - level / 2, 0.5 + level / 2)
    result = {}
    for name, parts in found.items():
        known = np.concatenate(parts)
        known = known[~np.isnan(known)]
        if len(known):
            low, high = np.quantile(known, ends).tolist()
            result[name] = (low, high)
    return result


def _drawn(
    generator: np.random.Generator, samples: int, units: int
) -> NDArray[np.float64]:
    """Return how often each unit was drawn, (samples, units)."""
    drawn = generator.integers(0, units, (samples, units))
    drawn += np.arange(samples)[:, None] * units
    weights = np.bincount(drawn.ravel(), minlength=samples * units)
    return weights.reshape(samples, units).astype(np.float64)
