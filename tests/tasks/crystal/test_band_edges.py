"""The highest eigenvalue of 3 × 3 matrices, in closed form: as exact as LAPACK's, also where eigenvalues are equal."""

import pytest
import torch

from ipage_core.tasks.crystal.bands import highest, symmetric


def exact(diagonal, off):
    return torch.linalg.eigvalsh(symmetric(diagonal, off).double())[..., 2]


@pytest.mark.parametrize("size", [0.0, 1e-20, 1e-6, 1e-3, 1.0, 1e6])
@pytest.mark.parametrize(
    "base", [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1.0, 1.0, -2.0), (-1.0, -1.0, 2.0), (3.0, -1.0, 1.0)]
)
def test_it_is_the_highest_eigenvalue(size, base):
    """Random matrices added to ones with triple, double highest, double lowest and single eigenvalues."""
    generator = torch.Generator().manual_seed(0)
    diagonal = torch.tensor(base) + size * torch.randn(500, 3, generator=generator)
    off = size * torch.randn(500, 3, generator=generator)
    scale = max(1.0, size)
    assert (highest(diagonal, off) - exact(diagonal, off)).abs().max() <= 2e-6 * scale
    doubles = highest(diagonal.double(), off.double()), exact(diagonal.double(), off.double())
    assert (doubles[0] - doubles[1]).abs().max() <= 1e-8 * scale


def test_its_derivative_is_the_eigenvectors_square():
    generator = torch.Generator().manual_seed(1)
    diagonal, off = (torch.randn(4, 25, 3, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(2))
    ours = torch.autograd.grad(highest(diagonal, off).sum(), (diagonal, off))
    lapack = torch.autograd.grad(exact(diagonal, off).sum(), (diagonal, off))
    for one, other in zip(ours, lapack, strict=True):
        assert torch.allclose(one, other, atol=1e-9)


def test_equal_eigenvalues_have_a_finite_derivative():
    diagonal, off = torch.tensor([[1.0, 1.0, -3.0], [2.0, 2.0, 2.0]]).requires_grad_(), torch.zeros(2, 3)
    (slope,) = torch.autograd.grad(highest(diagonal, off).sum(), diagonal)
    assert slope.sum(1).tolist() == pytest.approx([1.0, 1.0])
    assert slope[0, 2] == 0.0
