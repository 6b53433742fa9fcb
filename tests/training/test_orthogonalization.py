"""Orthogonalized updates: the polynomial, the norm and the hidden kernels alone."""

from contextlib import nullcontext

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skadaptive._training.backend import load_program

backend = load_program()


def steps(rng, shape, decay=0.5):
    """Two matrices whose singular values fall from 1 by a factor each."""
    u, _, v = np.linalg.svd(rng.normal(size=(2, *shape)), full_matrices=False)
    return (u * decay ** np.arange(min(shape))) @ v


def flat(matrices, *share, **named):
    precision = getattr(backend, "precision", nullcontext)
    with precision("float64"):
        return np.asarray(backend.orthogonalize(matrices, *share, **named))


@pytest.mark.parametrize("shape", [(6, 6), (9, 5), (5, 9), (1, 4), (4, 1)])
def test_singular_values_come_nearer_and_vectors_stay(shape, rng):
    before = steps(rng, shape)
    after = flat(before)
    assert after.shape == before.shape
    sizes = [np.linalg.norm(matrices, axis=(1, 2)) for matrices in (before, after)]
    assert_allclose(*sizes)
    u, _, v = np.linalg.svd(before, full_matrices=False)
    # The same vectors: between them the new step is diagonal.
    turned = u.transpose(0, 2, 1) @ after @ v.transpose(0, 2, 1)
    diagonal = np.diagonal(turned, axis1=1, axis2=2)
    assert_allclose(turned, diagonal[:, None] * np.eye(min(shape)), atol=1e-7)
    # Muon's polynomial leaves them within .7 and 1.2 of each other.
    ratio = diagonal[:, -1] / diagonal[:, 0]
    assert (ratio > 0.55).all() and (ratio < 1.8).all()


def test_either_side_gives_the_same(rng):
    matrices = steps(rng, (8, 8))
    wide = np.concatenate([matrices, np.zeros((2, 8, 3))], axis=2)
    assert_allclose(flat(wide)[:, :, :8], flat(matrices), atol=1e-10)
    assert_allclose(
        flat(wide), flat(wide.transpose(0, 2, 1)).transpose(0, 2, 1), atol=1e-10
    )


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("shape", [(9, 5), (5, 9)])
def test_one_alone_is_as_among_several(shape, share, rng):
    before = steps(rng, shape)
    both = flat(before, share)
    assert_allclose([flat(before[:1], share)[0], flat(before[1:], share)[0]], both)


def test_nothing_to_do(rng):
    orthogonal, _ = np.linalg.qr(rng.normal(size=(2, 6, 6)))
    assert_allclose(flat(orthogonal), orthogonal, atol=1e-10)
    assert_allclose(flat(np.zeros((2, 4, 3))), 0)
    before = steps(rng, (6, 4))
    assert_allclose(flat(before, share=1.0), flat(before))  # the default
    assert_allclose(flat(before, share=0.0), before)
    assert_allclose(flat(before, share=0.5), (before + flat(before)) / 2)


def test_size_of_a_step_does_not_matter(rng):
    before = steps(rng, (7, 4))
    for size in (1e-12, 1e6):
        assert_allclose(flat(size * before), size * flat(before), rtol=1e-8)
