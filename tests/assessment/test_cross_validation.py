"""Contenders on folds. Most of it is tested through compare."""

import numpy as np
import pytest
from sklearn import metrics

from skadaptive._assessment.cross_validation import LabelledRows, Protocol, _score


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rare", ["a rare one", "the rare"])
def test_scorers_by_name_take_the_rare_class_for_the_positive_one(rare, weighted, rng):
    y = np.where(np.arange(60) < 12, rare, "other")
    weight = rng.uniform(0.1, 2, 60) if weighted else None
    data = LabelledRows(np.empty((60, 1)), y, weight, None)
    test = np.sort(rng.permutation(60)[:40])
    truth, w = (y == rare)[test], None if weight is None else weight[test]
    proba = rng.uniform(size=40)
    labels = (proba > 0.3).astype(int)
    expected = {
        "f1": metrics.f1_score(truth, labels, sample_weight=w),
        "jaccard": metrics.jaccard_score(truth, labels, sample_weight=w),
        "neg_log_loss": -metrics.log_loss(truth, proba, sample_weight=w),
        "roc_auc": metrics.roc_auc_score(truth, proba, sample_weight=w),
    }
    for name, value in expected.items():
        protocol = Protocol(data, [], name, 0)
        assert _score(protocol, test, None, None, proba, labels) == pytest.approx(value)
