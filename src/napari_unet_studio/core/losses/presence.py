"""The loss of the classification-guided module, which tells patches without objects."""

from torch import Tensor
from torch.nn import functional

from napari_unet_studio.core.losses._counted import IGNORE, weighted_mean


def presence_loss(presence_logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of "there is an object in this patch".

    Parameters
    ----------
    presence_logits
        Shape (N, 1).
    target
        Shape ``(N, *S)``; an object is any pixel of a class above 0.

    Notes
    -----
    The mean over patches; those that are wholly ignored count nothing. A patch of which
    a part is known is judged by that part: if it holds no object, the patch is taken to
    hold none. The weight map has no part in it: a pixel of an object is one whatever it
    weighs.

    References
    ----------
    .. [1] Huang et al. UNet 3+: A Full-Scale Connected UNet for Medical Image
       Segmentation. ICASSP 2020.
    """
    pixels = target.flatten(1)
    known = (pixels != IGNORE).any(1)
    logits = presence_logits[:, 0].masked_fill(~known, 0.0)
    cost = functional.binary_cross_entropy_with_logits(
        logits, (pixels > 0).any(1).to(logits.dtype), reduction="none"
    )
    return weighted_mean(cost, known.to(logits.dtype))
