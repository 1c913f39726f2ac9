"""Measures of partitions, for images whose membranes part cells from each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.metrics._arrays import IntArray, as_pair


@dataclass(frozen=True, eq=False)
class Partitions:
    """Overlap of two partitions of the pixels that the reference calls cells.

    Parameters
    ----------
    joint
        Pixels of each pair of segments that overlap.
    predicted, reference
        Pixels of each segment.

    Notes
    -----
    Pixels without a cell in the reference do not count ("foreground-restricted" [1]_).
    One that only the prediction calls a membrane is a segment of its own. With n pixels
    shared by two segments, and a and b in these, the sums over all segments give

    - the adapted Rand error: 1 - F of the pairs of pixels that are together,
      ``sum n (n - 1) / (sum a (a - 1) / 2 + sum b (b - 1) / 2)``;
    - V_Rand: ``sum n^2 / (sum a^2 / 2 + sum b^2 / 2)``;
    - V_Info: the information that the two share, divided by the mean of their
      entropies.

    All three weigh wrong splits and wrong mergers alike. They are NaN without a pixel.

    References
    ----------
    .. [1] Arganda-Carreras et al. Frontiers in Neuroanatomy 9:142, 2015.

    Examples
    --------
    >>> merged = Partitions.of([[1, 1, 1, 1]], [[1, 1, 2, 2]])
    >>> round(merged.rand_error, 3), round(merged.v_rand, 3), merged.v_info
    (0.5, 0.667, 0.0)
    """

    joint: NDArray[np.int64]
    predicted: NDArray[np.int64]
    reference: NDArray[np.int64]

    @classmethod
    def of(cls, predicted: ArrayLike, reference: ArrayLike) -> "Partitions":
        """Count the overlaps of two label images; 0 is membrane.

        Raises
        ------
        InputError
            If the shapes differ.
        """
        found, truth = as_pair(predicted, reference)
        inside = truth > 0
        _, there = np.unique(truth[inside], return_inverse=True)
        _, segments = np.unique(found[inside], return_inverse=True)
        alone = found[inside] <= 0
        count = int(segments.max(initial=-1)) + 1
        segments[alone] = count + np.arange(np.count_nonzero(alone))
        pairs = segments.astype(np.int64) * (int(there.max(initial=0)) + 1) + there
        joint = np.unique(pairs, return_counts=True)[1]
        sizes = np.bincount(segments), np.bincount(there)
        a, b = (size[size > 0].astype(np.int64) for size in sizes)
        return cls(joint.astype(np.int64), a, b)

    @property
    def pixels(self) -> int:
        """Number of pixels that count."""
        return int(self.joint.sum())

    @property
    def rand_error(self) -> float:
        """1 - F of the pairs of pixels in one segment; 0 is best."""
        if not self.pixels:
            return float("nan")
        n, a, b = (
            float((sizes.astype(float) * (sizes - 1)).sum())
            for sizes in (self.joint, self.predicted, self.reference)
        )
        return 1 - 2 * n / (a + b) if a + b else 0.0

    @property
    def v_rand(self) -> float:
        """Foreground-restricted Rand score; 1 is best."""
        if not self.pixels:
            return float("nan")
        n, a, b = (
            float((sizes.astype(float) ** 2).sum())
            for sizes in (self.joint, self.predicted, self.reference)
        )
        return 2 * n / (a + b)

    @property
    def v_info(self) -> float:
        """Foreground-restricted information theoretic score; 1 is best."""
        if not self.pixels:
            return float("nan")
        n, a, b = (
            _entropy(sizes) for sizes in (self.joint, self.predicted, self.reference)
        )
        # Two partitions of one segment each share all there is to know.
        return max(0.0, 2 * (a + b - n) / (a + b)) if a + b else 1.0


def cells_of(labels: ArrayLike) -> NDArray[np.int32]:
    """Number the cells of a plane: pixels of one id that touch along their edges.

    Parameters
    ----------
    labels
        A mask of cells, or ids; 0 is membrane.

    Examples
    --------
    >>> cells_of([[255, 0, 255], [255, 0, 255]])
    array([[1, 0, 2],
           [1, 0, 2]], dtype=int32)
    """
    from skimage.measure import label as connected_components  # slow: not for a widget

    array = np.asarray(labels)
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    found: IntArray = connected_components(array, background=0, connectivity=1)
    return found.astype(np.int32)


def thinned_borders(cells: ArrayLike) -> NDArray[np.int32]:
    """Let cells grow into membranes until lines one pixel wide are left.

    Parameters
    ----------
    cells
        Numbers of the cells of a plane, 0 is membrane.

    Notes
    -----
    Scores must not depend on how wide membranes are drawn, so those of a prediction
    are thinned first. Cells grow alike by a watershed on the distance to the nearest;
    lines that end within a cell vanish. Where two cells touch already there is no
    membrane to thin.

    Examples
    --------
    >>> thinned_borders([[1, 0, 0, 0, 2], [1, 0, 0, 0, 2]])
    array([[1, 1, 0, 2, 2],
           [1, 1, 0, 2, 2]], dtype=int32)
    """
    from scipy import ndimage  # slow to import, as the other: not for a widget
    from skimage.segmentation import watershed

    array = np.asarray(cells).astype(np.int32)
    if not array.any():
        return array
    distance = ndimage.distance_transform_edt(array == 0)
    lines = watershed(distance, array, watershed_line=True)
    return np.where(array > 0, array, lines).astype(np.int32)


def _entropy(sizes: NDArray[np.int64]) -> float:
    shares = sizes / sizes.sum()
    return float(-(shares * np.log(shares)).sum())
