"""Losses of image-text training: contrastive, label prototypes, and RetiZero's evidential term.

Logits are ``exp(s) T I^T``: row i holds text i against every image. All arithmetic is float32 or wider.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid, softplus
from torch.utils.checkpoint import checkpoint


def clip_loss(logits_per_text: Tensor, positives: Tensor | None = None) -> Tensor:
    """Mean of the two cross entropies, text to image and image to text (Radford et al. 2021).

    Args:
        logits_per_text: (N, M).
        positives: (N, M) of 0 and 1: which image shows what which text says. None means the diagonal. With
            several positives in a row the target is spread evenly over them, so that an identical caption in
            the batch is not a false negative (Yang et al. 2022, UniCL).

    Returns:
        Scalar.
    """
    logits = _wide(logits_per_text)
    if positives is None:
        target = torch.arange(len(logits), device=logits.device)
        return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2
    weight = positives.to(logits.dtype)
    return (soft_cross_entropy(logits, weight) + soft_cross_entropy(logits.T, weight.T)) / 2


def soft_cross_entropy(logits: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy with targets proportional to weights (N, K) >= 0; rows without weight do not count."""
    logits = _wide(logits)
    total = weight.sum(dim=1, keepdim=True)
    target = weight / total.clamp_min(torch.finfo(logits.dtype).tiny)
    losses = -(target * logits.log_softmax(dim=1)).sum(dim=1)
    counted = (total.squeeze(1) > 0).to(logits.dtype)
    return (losses * counted).sum() / counted.sum().clamp_min(1)


def evidential_terms(logits: Tensor, target: Tensor, chunk: int | None = None) -> tuple[Tensor, Tensor]:
    """Fit and divergence of a Dirichlet with evidence softplus(logits) (method.md; Sensoy et al. 2018).

    Args:
        logits: (N, K).
        target: (N,) index of the right column, or (N, K) of 0 and 1 where several are right: then the fit is
            the mean over the right ones, and the divergence leaves all of them out.
        chunk: Rows computed at once. The intermediate results of a chunk, eight times the size of its logits,
            are dropped and computed again for the gradient. None computes all rows at once and keeps them.

    Returns:
        ``mean psi(S) - psi(alpha_target)`` and ``mean KL(Dir(alpha~) || Dir(1))``, scalars.
    """
    if chunk is None or chunk >= len(logits):
        fit, divergence = _evidential_rows(logits, target)
        return fit.mean(), divergence.mean()
    parts = [
        checkpoint(_evidential_rows, rows, right, use_reentrant=False)
        for rows, right in zip(torch.split(logits, chunk), torch.split(target, chunk), strict=True)
    ]
    return torch.cat([fit for fit, _ in parts]).mean(), torch.cat([kl for _, kl in parts]).mean()


def _evidential_rows(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Fit and divergence of each row, (N,) and (N,)."""
    alpha = softplus(_wide(logits)) + 1
    strength = alpha.sum(dim=1)
    if target.ndim == 1:
        right = torch.digamma(alpha.gather(1, target[:, None]).squeeze(1))
        wrong = alpha.scatter(1, target[:, None], 1.0)  # (alpha - 1)(1 - y) + 1
    else:
        weight = target.to(alpha.dtype)
        right = (weight * torch.digamma(alpha)).sum(dim=1) / weight.sum(dim=1)
        wrong = torch.where(target > 0, 1.0, alpha)
    fit = torch.digamma(strength) - right
    total = wrong.sum(dim=1)
    classes = torch.tensor(float(alpha.shape[1]), dtype=alpha.dtype, device=alpha.device)
    divergence = (
        torch.lgamma(total)
        - torch.lgamma(wrong).sum(dim=1)
        - torch.lgamma(classes)
        + ((wrong - 1) * (torch.digamma(wrong) - torch.digamma(total)[:, None])).sum(dim=1)
    )
    return fit, divergence


def evidential_loss(logits_per_text: Tensor, epoch: int, ramp: int = 15) -> Tensor:
    """``L_un(text->image) + L_un(image->text)`` with diagonal targets.

    Args:
        logits_per_text: (N, N).
        epoch: Counted from 1; the divergence has weight ``min(1, epoch / ramp)``.
        ramp: Epochs until the divergence has full weight.
    """
    target = torch.arange(len(logits_per_text), device=logits_per_text.device)
    weight = min(1.0, epoch / ramp)
    loss = logits_per_text.new_zeros(())
    for logits in (logits_per_text, logits_per_text.T):
        fit, divergence = evidential_terms(logits, target)
        loss = loss + fit + weight * divergence
    return loss


def siglip_loss(logits: Tensor, positives: Tensor) -> Tensor:
    """Pairwise sigmoid loss (Zhai et al. 2023): every image and text is a yes or no of its own.

    Args:
        logits: (N, M), scale and bias applied.
        positives: (N, M) of 0 and 1.

    Returns:
        Sum over all pairs, divided by N; scalar.
    """
    wide = _wide(logits)
    sign = positives.to(wide.dtype) * 2 - 1
    return -logsigmoid(sign * wide).sum() / len(wide)


def retizero_loss(logits_per_text: Tensor, epoch: int, ramp: int = 15) -> Tensor:
    """The paper's loss: ``clip_loss + evidential_loss``, all weights 1."""
    return clip_loss(logits_per_text) + evidential_loss(logits_per_text, epoch, ramp)


def _wide(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()
