"""The mean cost that ``skadaptive evaluate --costs`` tells, and its interval."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from skadaptive._command.evaluate import _mean_costs
from skadaptive.evaluation import evaluate


class Told(DummyClassifier):
    """Predicts the class that the first column says."""

    def predict(self, X):
        return X[:, 0].astype(int)


def costs_of(hits, misses, alarms, n_other, costs):
    y = np.repeat([1, 0], [hits + misses, n_other])
    said = np.repeat([1, 0, 1, 0], [hits, misses, alarms, n_other - alarms])
    model = Told().fit(said[:, None], y)
    evaluation = evaluate(model, said[:, None], y, pos_label=1, random_state=0)
    return _mean_costs(evaluation, costs), evaluation.confusion_matrix_


def test_the_interval_is_that_of_mistakes_drawn_within_each_class():
    found, _ = costs_of(40, 20, 30, 940, (3.0, 40.0))
    assert found["model"] == pytest.approx(3 * 30 + 40 * 20)
    assert found["none_rare"] == pytest.approx(40 * 60)
    assert found["all_rare"] == pytest.approx(3 * 940)
    rng = np.random.default_rng(0)
    drawn = 3 * rng.binomial(940, 30 / 940, 100_000)
    drawn = drawn + 40 * rng.binomial(60, 20 / 60, 100_000)
    expected = np.quantile(drawn, [0.025, 0.975])
    assert [found["low"], found["high"]] == pytest.approx(expected, rel=0.05)


def test_no_miss_so_far_may_cost_something_later():
    found, matrix = costs_of(18, 0, 10, 982, (1.0, 100.0))
    most = matrix.loc[(1, 0), "high"]
    assert most > 1 and found["low"] < found["model"] == pytest.approx(10)
    assert found["high"] == pytest.approx(100 * most + 10, abs=10)


def test_equal_costs_of_1_are_the_mistakes_in_1_000_rows():
    found, _ = costs_of(40, 20, 30, 940, (1.0, 1.0))
    assert found["model"] == pytest.approx(50)
    assert (found["all_rare"], found["none_rare"]) == pytest.approx((940, 60))
    # Every resample has whole mistakes, and so has the interval.
    assert found["low"] == round(found["low"]) < 50 < found["high"]
    assert found["high"] == round(found["high"])
