"""Dialects of published code on four pixels, worked out by hand: signs, sums, and where a constant is added."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest

from vidsal.benchmark.metrics import at_fixations, correlation, divergence, similarity

P = np.array([[1.0, 3.0], [0.0, 4.0]])  # of 8: 0.125, 0.375, 0, 0.5
G = np.array([[4.0, 1.0], [1.0, 2.0]])  # of 8: 0.5, 0.125, 0.125, 0.25


def test_shared_mass() -> None:
    assert similarity.sim_unisal(P, G) == 0.125 + 0.125 + 0 + 0.25
    assert similarity.sim_unisal(P - [[2, 0], [0, 0]], G) == -1 + 0.125 + 0 + 0.25, "negative values enter as they are"
    assert similarity.sim_port(P + 1, G + 5) == 0.125 + 0 + 0 + 0.25, "each map from its lowest value on"
    assert np.isnan(similarity.sim_port(P * 0 + 2, G))
    # A sum of 1e-7, to which 1e-7 is added: half of each share.
    assert similarity.sim_msu(P * 1.25e-8, G) == pytest.approx(0.0625 + 0.125 + 0 + 0.25, abs=1e-7)


def test_correlation_with_constants() -> None:
    """Maps of two values, one standard deviation from their mean."""
    small, large = np.array([[0.0, 2e-7]]), np.array([[0.0, 2.0]])
    # Standard deviation 1e-7, to which 1e-7 is added: +-1/2 and +-1.
    assert correlation.cc_msu(small, large) == pytest.approx(2 * 0.5 / sqrt(0.5 * 2 + 1e-7), abs=1e-6)
    assert correlation.cc_msu(large, -large) == pytest.approx(-1, abs=1e-6)
    # +-1e-10 / (1e-10 + 1e-7) = +-1 / 1001: a sum of squares of 2 / 1001^2, whose square is small beside 1e-7.
    share = 2 / 1001**2
    assert correlation.cc_msu(small / 1000, small / 1000) == pytest.approx(share / sqrt(share**2 + 1e-7), rel=1e-6)


def test_deviations_from_the_mean() -> None:
    """Of P they are -1, 1, -2, 2, of G 2, -1, -1, 0."""
    assert correlation.cc_undefined(P, G) == pytest.approx(-1 / sqrt(10 * 6), abs=1e-15)
    flat = np.full((2, 2), 3.0)
    assert np.isnan([correlation.cc_undefined(flat, G), correlation.cc_undefined(P, flat)]).all()
    looked_at = np.array([[0, 1], [0, 1]])
    assert at_fixations.nss_unisal(P, looked_at) == pytest.approx(1.5 / sqrt(10 / 3), abs=1e-15)
    assert at_fixations.nss_unisal(P, looked_at * 0) == 1
    assert np.isnan(at_fixations.nss_unisal(flat, looked_at))


def test_divergence_of_maps_that_sum_to_less_than_one() -> None:
    p = np.array([[0.125, 0.375], [0.125, 0.375]]) / 2
    expected = 0.5 * log(0.5 / 0.125) + 0.125 * log(0.125 / 0.375) + 0.125 * log(1) + 0.25 * log(0.25 / 0.375)
    assert divergence.kld_unisal(p, G / 32) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(divergence.kld_unisal(p - 0.1, G))
    assert divergence.kld_unisal(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]])) == np.inf


def test_declared_ranges() -> None:
    """What a score can be; results outside are refused."""
    infinite = float("inf")
    assert correlation.CC.range == (-1, 1)
    assert similarity.SIM.range == (0, 1)
    assert divergence.KLD.range == (0, infinite)
    assert at_fixations.NSS.range == (-infinite, infinite)
