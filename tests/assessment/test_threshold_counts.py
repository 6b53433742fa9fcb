"""Counts by threshold, and calibration."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn import metrics

from skadaptive import ThresholdDisplay
from skadaptive._assessment.measures import _Counts, measures
from skadaptive._assessment.threshold_counts import (
    ScoredRows,
    calibration_bins,
    calibration_verdict,
    cost_by_threshold,
    cost_ceiling,
    label_scores,
    least_cost,
    least_cost_thresholds,
)
from skadaptive._committee.threshold_tuning import (
    _confusion,
    _counts_between,
    best_score,
)
from skadaptive.thresholds import f1, safe_ratio

# ----------------------------------------------------------------- counts by threshold


def test_safe_ratio():
    ratios = safe_ratio(np.array([1.0, 0.0, 3.0]), np.array([2.0, 0.0, 0.0]))
    assert ratios.tolist() == [0.5, 0.0, 0.0]
    ratios = safe_ratio(np.ones(2), np.array([0.0, 4.0]), undefined=np.nan)
    np.testing.assert_array_equal(ratios, [np.nan, 0.25])
    assert safe_ratio(np.float64(1), np.float64(0)) == 0


@pytest.mark.parametrize("weights", ["none", "repeats", "any"])
def test_all_counters_agree(weights, rng):
    """Training, bootstrap, report and display count what scikit-learn counts."""
    y = np.repeat([1, 0], [30, 170])
    proba = np.clip(rng.normal(0.3 + 0.3 * y, 0.2), 0, 1).round(2)
    proba[:3] = proba[30:33]  # ties of both classes
    weight = {
        "none": np.ones(200),
        "repeats": rng.integers(0, 3, 200).astype(float),
        "any": rng.uniform(0, 3, 200),
    }[weights]
    # The thresholds lie between probabilities of rare rows; 0.5 may be one of a row.
    thresholds, between = _counts_between(y, y, proba, weight, 0.5)
    tuning = np.array(_confusion(between))
    rows = ScoredRows(y, proba, weight)
    tp, fp = rows.above(thresholds)
    totals = {"rare": weight[y == 1].sum(), "other": weight[y == 0].sum()}
    report = np.nan_to_num(label_scores({"tp": tp, "fp": fp, **totals}))
    names = ["precision", "recall", "f1"]
    display = ThresholdDisplay.from_predictions(
        y, proba, sample_weight=weight, pos_label=1
    )
    plt.close(display.figure_)
    of_all = f1(*tuning)
    # scikit-learn takes its time: at every tenth threshold, the best and the last.
    for i in {*range(0, len(thresholds), 10), of_all.argmax(), len(thresholds) - 1}:
        threshold = thresholds[i]
        labels = (proba > threshold).astype(int)
        keywords = {"sample_weight": weight}
        (tn_, fp_), (fn_, tp_) = metrics.confusion_matrix(y, labels, **keywords)
        assert tuning[:, i] == pytest.approx([tp_, fp_, fn_, tn_])
        assert (tp[i], fp[i]) == pytest.approx((tp_, fp_))
        keywords["zero_division"] = 0
        expected = {
            "precision": metrics.precision_score(y, labels, **keywords),
            "recall": metrics.recall_score(y, labels, **keywords),
            "f1": metrics.f1_score(y, labels, **keywords),
        }
        bootstrap, cells = _Counts(y, proba, labels)(weight)
        assert cells == pytest.approx([tn_, fp_, fn_, tp_])
        of_rows = measures(y, proba, labels, weight)
        for scores in (
            display.at(threshold),
            dict(zip(names, report[:, i], strict=True)),
            {name: bootstrap[name] for name in names},
            {name: of_rows[name] for name in names},
        ):
            assert scores == pytest.approx(expected)
        assert f1(*tuning[:, i]) == pytest.approx(expected["f1"])
    assert best_score(f1, y, proba, weight) == pytest.approx(of_all.max())


# ----------------------------------------------------------------------- what is shown


def binned(rare, proba, weight):
    bins = calibration_bins(ScoredRows(rare, proba, weight))
    return bins["observed"].to_numpy(), bins["predicted"].to_numpy()


def test_calibration_counts_weights(rng):
    """Right on average where the probabilities are, and wrong where they are not."""
    proba = rng.beta(0.5, 3, 40_000)
    rare = rng.random(40_000) < proba
    weight = rng.uniform(0.5, 2, 40_000) * np.where(rare, 3, 1)
    share, mean = binned(rare, proba, np.ones(40_000))
    assert len(share) == 10 and (np.diff(mean) > 0).all()
    np.testing.assert_allclose(share, mean, atol=0.05)
    weighted, mean = binned(rare, proba, weight)
    np.testing.assert_allclose(weighted, 3 * mean / (1 + 2 * mean), atol=0.1)
    # Few rare rows, few values, and none but 0.
    few = np.flatnonzero(rare)[:15]
    share, mean = binned(np.ones(15, bool), proba[few], np.ones(15))
    assert len(share) == 3
    share, mean = binned(np.r_[True, False, False], np.zeros(3), np.ones(3))
    assert share == pytest.approx([1 / 3]) and mean == [0.0]


def test_least_cost_is_that_of_no_other_threshold(rng):
    """Also with ties, certain rows and weights; and the number has few digits."""
    for digits in (1, 2, 9):
        y = np.r_[1, 0, (rng.random(80) < 0.3).astype(int)]
        proba = np.clip(rng.normal(0.4 + 0.2 * y, 0.3), 0, 1).round(digits)
        rows = ScoredRows(y, proba, rng.integers(0, 3, 82) + np.eye(82)[:2].sum(axis=0))
        for miss in (1e-6, 1, 5, 1e6):
            costs = {"miss": miss, "alarm": 1}
            threshold, cost = least_cost(rows, costs)
            tried = np.unique([0, *proba, *(proba + 1e-9).clip(0, 1), threshold])
            every = cost_by_threshold(rows.counts(tried), costs)
            assert cost == every.min() == every[tried == threshold]
            assert 0 <= threshold <= 1 and len(repr(threshold)) <= 13
    ties = ScoredRows([0, 1], [0.5, 0.5], None)
    assert least_cost(ties, {"miss": 1, "alarm": 3})[0] == 1
    assert least_cost(ties, {"miss": 3, "alarm": 1})[0] == 0
    near = ScoredRows([0, 1], [0.5, np.nextafter(0.5, 1)], None)
    assert least_cost(near, {"miss": 1, "alarm": 1}) == (0.5, 0)


def test_thresholds_of_least_cost_are_all_there_are(rng):
    """Each has the least cost at some ratio of costs, and no other but 0 and 1 has."""
    for digits in (1, 2, 9):
        y = np.r_[1, 0, (rng.random(80) < 0.3).astype(int)]
        proba = np.clip(rng.normal(0.4 + 0.2 * y, 0.3), 0, 1).round(digits)
        rows = ScoredRows(y, proba, rng.uniform(0.2, 3, 82))
        found = least_cost_thresholds(rows)
        for miss in np.geomspace(1e-3, 1e3, 100):
            assert least_cost(rows, {"miss": miss, "alarm": 1})[0] in {0, 1, *found}
        hits, alarms = np.abs(np.diff(rows.above(np.r_[0.0, found, 1.0])))
        slopes = safe_ratio(hits, alarms, undefined=np.inf)
        for threshold, low, high in zip(found, slopes, slopes[1:], strict=False):
            ratio = (low + min(high, 2 * low + 1)) / 2
            assert least_cost(rows, {"miss": 1, "alarm": ratio})[0] == threshold
    one = ScoredRows([0, 1, 1], [0.2, 0.4, 0.6], None)
    assert least_cost_thresholds(one) == [0.3]
    assert least_cost_thresholds(ScoredRows([1, 0], [0.2, 0.4], None)) == []


def test_bins_say_what_they_hold():
    """Ten rare rows make two bins, of equal expected numbers of rare rows."""
    proba = np.repeat([0.1, 0.2, 0.5, 0.8], [20, 10, 6, 4])  # 2, 2, 3 and 3.2 expected
    rare = np.zeros(40, int)
    rare[[0, 1, 20, 30, 31, 32, 36, 37, 38, 39]] = 1
    weight = np.where(np.arange(40) < 20, 1.0, 2.0)  # 2, 4, 6 and 6.4 by weight
    bins = calibration_bins(ScoredRows(rare, proba, weight))
    expected = [
        [0.1, 0.2, 30, 6 / 40, 4 / 40],
        [0.5, 0.8, 10, 12.4 / 20, 14 / 20],
    ]
    assert list(bins) == ["low", "high", "rows", "predicted", "observed"]
    np.testing.assert_allclose(bins, expected)
    # The last row, too, takes part in what is expected: 0.5 of 1 are in the third.
    bins = calibration_bins(ScoredRows([1] * 4, [0.1, 0.2, 0.3, 0.4], None))
    np.testing.assert_allclose(bins["low"], [0.1, 0.3])


@pytest.mark.parametrize("unit", [None, 3.0])
@pytest.mark.parametrize(
    ("n_rare", "words"),
    [(62, "Neither"), (63, "too low"), (38, "Neither"), (37, "too high")],
)
def test_the_mean_is_off_beyond_the_limit_of_its_test(n_rare, words, unit):
    """At a probability of 0.5 one standard error of 100 rows is 5 rows."""
    y, proba = np.arange(100) < n_rare, np.full(100, 0.5)
    weight = None if unit is None else np.full(100, unit)
    miscalibrated, text = calibration_verdict(ScoredRows(y, proba, weight))
    assert miscalibrated == (words != "Neither") and words in text
    mean = f"The mean probability is 50.00%, the share of rare rows {n_rare}.00%. "
    assert text.startswith(mean)


@pytest.mark.parametrize(
    ("shift", "words"),
    [(0, "Neither"), (-11, "overconfident"), (9, "Neither"), (11, "underconfident")],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_spread_is_off_beyond_the_limit_of_its_test(shift, words, weighted):
    """At 0.2 and 0.8 one standard error of 400 rows together is 8 rows.

    The shift is the number of rows by which either half is nearer to 0 and 1 than said.
    Were it 2.576 standard errors, it would be 10.3.
    """
    proba = np.repeat([0.2, 0.8], 200)
    y = np.r_[np.arange(200) < 40 - shift, np.arange(200) < 160 + shift]
    weight = np.full(400, 0.5) if weighted else None
    miscalibrated, text = calibration_verdict(ScoredRows(y, proba, weight))
    assert miscalibrated == (words != "Neither") and words in text


def test_probabilities_of_0_and_1_that_are_right_are_calibrated():
    y = np.r_[np.zeros(50, int), np.ones(20, int)]
    assert not calibration_verdict(ScoredRows(y, y.astype(float), None))[0]
    # The surest are counted as if a little less sure, and wrong all the same.
    assert calibration_verdict(ScoredRows(y, 1.0 - y, None))[0]


def test_the_plot_of_costs_ends_above_the_better_constant_prediction():
    counts = {"rare": 10.0, "other": 90.0, "tp": np.array([10.0, 5.0, 0.0])}
    counts["fp"] = np.array([90.0, 9.0, 0.0])
    costs = {"miss": 20.0, "alarm": 1.0}
    cost = cost_by_threshold(counts, costs)
    assert cost.tolist() == [900.0, 1090.0, 2000.0]
    assert cost_ceiling(counts, costs, cost) == pytest.approx(1.2 * 900)
    rarely = {"miss": 2.0, "alarm": 1.0}
    assert cost_ceiling(counts, rarely, cost) == pytest.approx(1.2 * 900)
    cheap = cost_by_threshold(counts, rarely)
    assert cost_ceiling(counts, rarely, cheap) == pytest.approx(1.2 * 200)
    free = {"miss": 0.0, "alarm": 1.0}
    cost = cost_by_threshold(counts, free)
    assert cost_ceiling(counts, free, cost) == pytest.approx(1.2 * 900)
    assert cost_ceiling(counts, {"miss": 0.0, "alarm": 0.0}, 0 * cost) == 1.0


def test_two_constant_predictions_and_the_share():
    rows = ScoredRows([1, 0, 0, 1], [0.0, 1.0, 0.5, np.nan], [1.0, 2.0, 0.0, 7.0])
    assert rows.share == pytest.approx(1 / 3) and len(rows.y) == 2
    counts = rows.constant_counts()
    assert (counts["rare"], counts["other"]) == (1.0, 2.0)
    assert counts["thresholds"].tolist() == [0.0, 1.0]
    assert counts["tp"].tolist() == [1.0, 0.0] and counts["fp"].tolist() == [2.0, 0.0]
