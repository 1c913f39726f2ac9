"""Losses on the overlap of prediction and truth, class by class over the batch."""

from torch import Tensor

from napari_unet_studio.core.losses._counted import answers, counted


def soft_dice(
    logits: Tensor, target: Tensor, weight_map: Tensor | None = None
) -> Tensor:
    """One minus the soft Dice coefficient, averaged over classes.

    Notes
    -----
    D_c = (2 sum w p_c y_c + 1) / (sum w p_c + sum w y_c + 1), over the whole batch,
    with the smoothing of 1 that defines the coefficient of an absent class. A binary
    problem counts its foreground only, several classes count all of them.
    """
    overlap, total = _areas(logits, target, weight_map)
    return 1 - ((2 * overlap + 1) / (total + 1)).mean()


def soft_iou(
    logits: Tensor, target: Tensor, weight_map: Tensor | None = None
) -> Tensor:
    """One minus the soft intersection over union (Jaccard), averaged over classes.

    Notes
    -----
    J_c = (sum w p_c y_c + 1) / (sum w (p_c + y_c - p_c y_c) + 1): batch, smoothing and
    classes are those of :func:`soft_dice`.

    References
    ----------
    .. [1] Rahman, Wang. Optimizing Intersection-Over-Union in Deep Neural Networks for
       Image Segmentation. ISVC 2016.
    """
    overlap, total = _areas(logits, target, weight_map)
    return 1 - ((overlap + 1) / (total - overlap + 1)).mean()


def _areas(
    logits: Tensor, target: Tensor, weight_map: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return what prediction and truth share, and the sum of both, per class."""
    logits, target, weights = counted(logits, target, weight_map)
    probability, truth = answers(logits, target)
    weights = weights.unsqueeze(1)
    axes = (0, *range(2, logits.ndim))
    overlap = (weights * probability * truth).sum(axes)
    return overlap, (weights * (probability + truth)).sum(axes)
