"""Counts in bins: the test of their change, and its words."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import chi2_contingency, kstest

from skadaptive import monitor
from skadaptive._monitoring.bins import ReferenceBins, stability_of_bins
from skadaptive._monitoring.breaches import SCORE
from skadaptive._monitoring.stability import (
    chi_square,
    made_up_for,
    stability_of,
    what_moved,
)
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


def test_few_rows_of_a_score_are_not_pooled():
    """Bins of a score are ranges, which say where rows have gone."""
    counts = np.array([[2, 2, 2, 2, 90, 0], [0, 0, 5, 5, 90, 0]])
    as_score, _ = stability_of_bins(counts, False)
    as_category, _ = stability_of_bins(counts, True)
    assert as_score != as_category
    of = {"kind": "number", "edges": [0.1, 0.2, 0.3, 0.4], "missing": 0}
    bins = SimpleNamespace(scores=of, counts=lambda i, codes: {-1: counts}[i])
    assert ReferenceBins.score_stability(bins, None)[0] == as_score


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


def test_bins_are_merged_until_five_rows_of_the_smaller_sample_are_expected():
    """By hand: 1,000 old and 100 new rows, so that 55 in all are needed."""
    counts = np.array([[30, 30, 440, 500], [3, 3, 47, 47]])
    table = np.array([[60 + 440, 500], [3 + 3 + 47, 47]])
    expected = chi2_contingency(table, correction=False).pvalue
    assert chi_square(counts) != pytest.approx(expected)  # 66 are enough
    counts = np.array([[25, 24, 451, 500], [3, 2, 48, 47]])  # 54 are not
    table = np.array([[500, 500], [53, 47]])
    expected = chi2_contingency(table, correction=False).pvalue
    assert chi_square(counts) == pytest.approx(expected)


def test_one_bin_is_no_evidence():
    assert chi_square(np.array([[500, 0], [400, 0]])) == 1
    assert chi_square(np.array([[500, 1], [3, 0]])) == 1


def test_missing_and_unlisted_values_are_counted_apart():
    counts = np.array([[40, 50, 0, 10], [30, 20, 30, 20]])
    found = stability_of(counts, "category")
    assert (found.missing_reference, found.missing, found.unlisted) == (0.1, 0.2, 0.3)
    assert stability_of(counts, "number").unlisted == 0


def test_nothing_makes_up_for_a_change_that_stays_or_of_the_last_period(rng):
    n, old = 20_000, np.array([0.25, 0.25, 0.25, 0.25])
    up, down = np.array([0.1, 0.3, 0.3, 0.3]), np.array([0.4, 0.2, 0.2, 0.2])

    def made_up(*shares):
        periods = np.stack([rng.multinomial(n, share) for share in shares])
        return made_up_for(rng.multinomial(4 * n, old), periods).tolist()

    assert made_up(up, down, up, down) == [True] * 4
    assert made_up(*(6 * [old]), up)[-1] is False
    assert made_up(old, up, up, up)[1:] == [False] * 3
    # The opposite of as many rows, spread over other periods, makes up for it.
    spread = old + (old - up) / 3
    assert made_up(up, spread, spread, spread)[0] is True


NUMBER = {"kind": "number", "edges": [1.0, 2.0]}
CITY = {"kind": "category", "values": ["Rome", "Oslo"], "others": 0}
CITIES = {**CITY, "values": ["Rome", "Oslo", "Bern"]}


@pytest.mark.parametrize(
    ("of", "counts", "text"),
    [
        (NUMBER, [[50, 30, 20, 0], [10, 30, 60, 0]], "is above 1 in 90"),
        (NUMBER, [[50, 30, 20, 0], [25, 15, 10, 50]], "is missing in 50"),
        (CITY, [[60, 40, 0, 0], [90, 10, 0, 0]], "is 'Rome' in 90"),
        (CITY, [[60, 40, 0, 0], [60, 0, 40, 0]], "is 'OSLO' in 40"),
        (CITY, [[60, 40, 0, 0], [60, 0, 40, 0]], "'Oslo' fell from 40"),
        (CITIES, [[60, 10, 30, 0, 0], [50, 40, 10, 0, 0]], "is 'Oslo' in 40"),
    ],
)
def test_words_name_the_greatest_change(of, counts, text):
    assert text in what_moved(of, np.array(counts), ["OSLO"])


@pytest.mark.parametrize(
    ("values", "old", "new", "unlisted", "text"),
    [
        # Each falls by a quarter of what is new, and 30 % are the least worth a word.
        (
            "abcd",
            [250, 250, 250, 250],
            [150, 150, 150, 150],
            ["x"],
            "is 'x' in 40 % of the rows, which no row of training was",
        ),
        (
            "abc",
            [40, 30, 30],
            [27, 30, 3],
            ["x", "y"],
            "is 'x' or 'y' in 40 % of the rows, which no row of training was, and 'c' "
            "fell from 30 % to 3.0 %",
        ),
        (
            "",
            [],
            [],
            ["x", "y", "z", "u"],
            "is 'x' or 'y' or one of 2 others in 90 % of the rows, which no row of "
            "training was",
        ),
    ],
)
def test_new_values_beside_the_one_that_fell_most(values, old, new, unlisted, text):
    text = text.replace(" %", "\u00a0%")
    of = {"kind": "category", "values": list(values), "others": 0}
    counts = np.array([[*old, 0, 0], [*new, sum(old) - sum(new), 0]])
    if not values:
        counts = np.array([[0, 100], [90, 10]])
    assert what_moved(of, counts, unlisted) == text
    of["others"] = 7
    known = f"not among the {len(values)} most frequent values of training"
    expected = text.replace("which no row of training was", known)
    assert what_moved(of, counts, unlisted) == expected


ROME = {"kind": "category", "values": ["Rome"], "others": 1}


@pytest.mark.parametrize(
    ("of", "counts", "text"),
    [
        # 9.94 % and 9.95 %, which rounds to 10.
        (NUMBER, [[20, 30, 50, 0], [9006, 0, 994, 0]], "is above 1 in 9.9 % of"),
        (NUMBER, [[20, 30, 50, 0], [9005, 0, 995, 0]], "is above 1 in 10 % of"),
        (
            NUMBER,
            [[20, 30, 50, 0], [100, 0, 0, 0]],
            "in 0 % of the rows, and was in 80 %",
        ),
        # Of the present values alone.
        (
            NUMBER,
            [[20, 20, 60, 0], [50, 30, 10, 10]],
            "above 2 in 11 % of the rows, and",
        ),
        (
            ROME,
            [[60, 40, 0], [99, 1, 0]],
            "is 'Rome' in 99 % of the rows, and was in 60 %",
        ),
        (
            ROME,
            [[10, 90, 0], [10, 20, 70]],
            "is missing in 70 % of the rows, and was in 0 %",
        ),
        ({"kind": "number", "edges": []}, [[9, 1], [8, 2]], "is missing in 20 % of"),
    ],
)
def test_shares_in_words(of, counts, text):
    assert text.replace(" %", "\u00a0%") in what_moved(of, np.array(counts))
