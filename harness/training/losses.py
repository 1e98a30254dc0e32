"""pix2pix's adversarial losses on the discriminator's logits, and the precision of losses."""

import torch
from torch import Tensor
from torch.nn import functional as F

from search_spaces.trial_params import GanMode


def upcast_bfloat16(x: Tensor) -> Tensor:
    """Convert bfloat16 to float32, the lowest precision in which losses are computed."""
    return x.float() if x.dtype == torch.bfloat16 else x


def gan_loss(gan_mode: GanMode, logits: Tensor, real: bool) -> Tensor:
    """The adversarial loss, a scalar, of `logits` of any shape for the label `real`.

    vanilla: cross-entropy on logits (Goodfellow et al., 2014); lsgan: squared distance to 1 or 0
    (Mao et al., 2017); wgangp: the critic's mean, negated for real. As in pix2pix_model.py, there
    is no gradient penalty, despite the name.
    """
    if gan_mode == "wgangp":
        return -logits.mean() if real else logits.mean()
    labels = torch.full_like(logits, float(real))
    if gan_mode == "lsgan":
        return F.mse_loss(logits, labels)
    return F.binary_cross_entropy_with_logits(logits, labels)
