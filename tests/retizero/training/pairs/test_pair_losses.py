"""The loss of a batch of pairs, against golden values, loops in double precision, and open_clip."""

import math

import pytest
import torch
from open_clip.loss import SigLipLoss
from scipy.special import digamma, gammaln
from torch.nn.functional import normalize, one_hot

from retizero.training.losses import evidential_terms, siglip_loss
from retizero.training.pairs.loss import PairLoss
from retizero.training.pairs.recipe import PairLosses
from retizero.training.running.world import World

ALONE = World(0, 1, torch.device("cpu"))
# Embeddings whose scaled products are the golden logits of the method description: texts are unit vectors.
GOLDEN = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0], [1.0, 0.25, 1.5]])
ONE = torch.tensor(1.0)
KEYS = torch.tensor([1, 2, 3])


def pair_losses(keys=KEYS, epoch=1, logits=GOLDEN, bias=None, **terms):
    """Losses of logits per text: texts are unit vectors, image j is column j."""
    loss = PairLoss(PairLosses(**terms), ALONE)
    return loss(logits.T.contiguous(), torch.eye(len(logits)), ONE, bias, keys, epoch)


def random_embeddings(count, seed=0):
    torch.manual_seed(seed)
    return normalize(torch.randn(count, 6), dim=1), normalize(torch.randn(count, 6), dim=1)


@pytest.mark.parametrize(("epoch", "total"), [(1, 1.947078), (8, 2.176052), (15, 2.405026), (40, 2.405026)])
@pytest.mark.parametrize("chunk", [None, 1, 2])
def test_the_papers_loss_has_the_golden_values_chunked_or_not(epoch, total, chunk):
    losses = pair_losses(epoch=epoch, chunk=chunk)
    assert float(losses["loss"]) == pytest.approx(total, abs=2e-6)
    assert float(losses["clip"]) == pytest.approx(0.292703, abs=2e-6)


def test_positives_that_only_pairs_share_are_the_plain_loss():
    plain, same = pair_losses(positives="pairs"), pair_losses(positives="same")
    assert float(plain["loss"]) == pytest.approx(float(same["loss"]), abs=1e-6)


def test_identical_labels_are_positives_of_each_other_in_every_term():
    keys = torch.tensor([5, 7, 5, 5])
    image, text = random_embeddings(4)
    terms = PairLosses(positives="same", siglip=1.0)
    losses = PairLoss(terms, ALONE)(image, text, torch.tensor(3.0), torch.tensor(-1.0), keys, epoch=3)
    logits = (3 * text @ image.T - 1).double().tolist()
    says = keys.tolist()
    clip = evidential = sigmoid = 0.0
    for rows in (logits, [list(column) for column in zip(*logits, strict=True)]):
        for i, row in enumerate(rows):
            right = [j for j in range(4) if says[j] == says[i]]
            clip += sum(math.log(sum(map(math.exp, row))) - row[j] for j in right) / len(right) / 4 / 2
            alpha = [math.log1p(math.exp(each)) + 1 for each in row]
            evidential += (digamma(sum(alpha)) - sum(digamma(alpha[j]) for j in right) / len(right)) / 4
            wrong = [1.0 if j in right else alpha[j] for j in range(4)]
            kl = gammaln(sum(wrong)) - sum(gammaln(w) for w in wrong) - gammaln(4)
            kl += sum((w - 1) * (digamma(w) - digamma(sum(wrong))) for w in wrong)
            evidential += 3 / 15 * kl / 4
    for i, row in enumerate(logits):
        for j, logit in enumerate(row):
            sigmoid += math.log1p(math.exp(-logit if says[i] == says[j] else logit)) / 4
    assert float(losses["clip"]) == pytest.approx(clip, abs=1e-5)
    assert float(losses["evidential"]) == pytest.approx(evidential, abs=1e-5)
    assert float(losses["siglip"]) == pytest.approx(sigmoid, abs=1e-5)
    assert float(losses["loss"]) == pytest.approx(clip + evidential + sigmoid, abs=2e-5)


def test_the_sigmoid_loss_is_open_clips():
    image, text = random_embeddings(5)
    scale, bias = torch.tensor(10.0), torch.tensor(-10.0)
    expected = SigLipLoss()(image, text, scale, bias)
    losses = PairLoss(PairLosses(clip=0, evidential=0, siglip=1), ALONE)(
        image, text, scale, bias, torch.arange(5), 1
    )
    assert float(losses["loss"]) == pytest.approx(float(expected), abs=1e-5)
    assert set(losses) == {"siglip", "loss"}


def test_the_sigmoid_loss_of_no_preference_is_log_two_per_pair():
    assert float(siglip_loss(torch.zeros(3, 3), torch.eye(3))) == pytest.approx(3 * math.log(2), abs=1e-6)


@pytest.mark.parametrize("matrix", [False, True])
def test_chunks_give_the_gradient_of_the_whole(matrix):
    torch.manual_seed(1)
    start = torch.randn(7, 5, dtype=torch.float64)
    target = torch.tensor([0, 1, 2, 3, 4, 0, 1])
    if matrix:
        target = one_hot(target, 5) + one_hot(target.roll(1), 5).clamp(max=1)
    found = []
    for chunk in (None, 3):
        logits = start.clone().requires_grad_()
        fit, divergence = evidential_terms(logits, target.clamp(max=1) if matrix else target, chunk)
        (fit + 0.3 * divergence).backward()
        found.append((fit.item(), divergence.item(), logits.grad))
    assert found[0][:2] == pytest.approx(found[1][:2], abs=1e-12)
    assert torch.allclose(found[0][2], found[1][2], atol=1e-12)


def test_half_precision_embeddings_are_compared_in_single_precision():
    image, text = random_embeddings(4)
    loss = PairLoss(PairLosses(), ALONE)(image.bfloat16(), text.bfloat16(), ONE, None, torch.arange(4), 1)
    assert loss["loss"].dtype == torch.float32
