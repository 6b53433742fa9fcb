"""Counts in bins: the test of their change, and its words."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency, kstest

from skadaptive import monitor
from skadaptive._monitoring.bins import ReferenceBins
from skadaptive._monitoring.breaches import SCORE
from skadaptive._monitoring.stability import chi_square, stability_of, what_moved
from skadaptive._saving.model_files import load_model
from skadaptive.drift import population_stability


def test_bins_of_a_file_give_the_index_of_the_tables(model_file, compared, later):
    X, _, _ = later(0, n_rows=700)
    bins = ReferenceBins(load_model(model_file))
    nothing = np.zeros(len(X))
    codes = bins.codes(X, nothing, nothing.astype(bool))
    table = population_stability(compared._data.X, X)["psi"]
    for name, (psi, _) in bins.stability(codes).items():
        assert psi == pytest.approx(table[name])
    # The same, few rows at once, which take another way to their categories.
    parts = [bins.codes(X[i : i + 400], nothing[:400], nothing[:400]) for i in (0, 400)]
    np.testing.assert_array_equal(np.concatenate(parts), codes[:800])


def test_the_score_drifts_on_a_server_as_in_monitor(model_file, later):
    saved = load_model(model_file)
    X, _, _ = later(0, n_rows=700)
    features = monitor(saved, X).features.set_index("feature")
    bins = ReferenceBins(saved)
    proba = saved.model.predict_proba(X)[:, 1]
    index, _ = bins.score_stability(bins.codes(X, proba, proba > 0.5))
    assert index == pytest.approx(features.loc[SCORE, "psi"])
    # Not the deciles of all scores, which the final model and those of folds differ in.
    assert bins.scores["edges"][0] > saved.reference["scores"]["edges"][5]


def test_the_test_is_pearsons_where_bins_are_full(rng):
    counts = rng.integers(20, 80, (2, 8))
    expected = chi2_contingency(counts, correction=False).pvalue
    assert chi_square(counts) == pytest.approx(expected)


@pytest.mark.parametrize(("n_old", "n_new"), [(5000, 500), (300, 40)])
def test_the_level_is_true(rng, n_old, n_new):
    shares = np.array([0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.03, 0.015, 0.005])
    p_values = [
        chi_square(np.stack([rng.multinomial(n, shares) for n in (n_old, n_new)]))
        for _ in range(1500)
    ]
    assert kstest(p_values, "uniform").statistic < 0.06
    assert np.mean(np.array(p_values) < 0.01) < 0.02


def test_one_bin_is_no_evidence():
    assert chi_square(np.array([[500, 0], [400, 0]])) == 1
    assert chi_square(np.array([[500, 1], [3, 0]])) == 1


def test_missing_and_unlisted_values_are_counted_apart():
    counts = np.array([[40, 50, 0, 10], [30, 20, 30, 20]])
    found = stability_of(counts, "category")
    assert (found.missing_reference, found.missing, found.unlisted) == (0.1, 0.2, 0.3)
    assert stability_of(counts, "number").unlisted == 0


NUMBER = {"kind": "number", "edges": [1.0, 2.0]}
CITY = {"kind": "category", "values": ["Rome", "Oslo"], "others": 0}


@pytest.mark.parametrize(
    ("of", "counts", "text"),
    [
        (NUMBER, [[50, 30, 20, 0], [10, 30, 60, 0]], "is above 1 in 90"),
        (NUMBER, [[50, 30, 20, 0], [25, 15, 10, 50]], "is missing in 50"),
        (CITY, [[60, 40, 0, 0], [90, 10, 0, 0]], "is 'Rome' in 90"),
        (CITY, [[60, 40, 0, 0], [60, 0, 40, 0]], "is 'OSLO' in 40"),
        (CITY, [[60, 40, 0, 0], [60, 0, 40, 0]], "'Oslo' fell from 40"),
    ],
)
def test_words_name_the_greatest_change(of, counts, text):
    assert text in what_moved(of, np.array(counts), ["OSLO"])
