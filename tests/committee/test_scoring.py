"""Scores of out-of-fold logits mean what they mean in scikit-learn."""

import numpy as np
import pytest
from scipy.special import logit
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    f1_score,
    fbeta_score,
    get_scorer,
    jaccard_score,
    log_loss,
    make_scorer,
    roc_auc_score,
)

from skadaptive._committee.inference import probabilities
from skadaptive._committee.scoring import OutOfFoldScorer, can_be_weighted
from skadaptive.adaptation import HeldOut

CLASSES = np.array(["legit", "odd"])


@pytest.fixture
def predictions(rng):
    y = rng.integers(2, size=80)
    return y, rng.normal(size=(80, 1)) + 2 * y[:, None] - 1


@pytest.mark.parametrize("weighted", [False, True])
def test_names_agree_with_metrics(predictions, weighted, rng):
    y, z = predictions
    w = rng.uniform(0.1, 2, size=len(y)) if weighted else None
    p = probabilities(z)
    expected = {
        "f1": f1_score(y, z[:, 0] > 0, sample_weight=w),
        "average_precision": average_precision_score(y, z, sample_weight=w),
        "roc_auc": roc_auc_score(y, z, sample_weight=w),
        "neg_log_loss": -log_loss(y, p, sample_weight=w),
    }
    expected["f1_macro"] = f1_score(y, z[:, 0] > 0, average="macro", sample_weight=w)
    for name in ("accuracy", "balanced_accuracy", "jaccard", "matthews_corrcoef"):
        metric = get_scorer(name)._score_func
        expected[name] = metric(y, z[:, 0] > 0, sample_weight=w)
    for name, value in expected.items():
        judge = OutOfFoldScorer(name, None, y, CLASSES, 1, w)
        ranking, fit = judge.tie_breakers(z)
        assert judge.score(z) == pytest.approx(value)
        assert ranking == pytest.approx(expected["average_precision"], rel=1e-6)
        assert fit == pytest.approx(expected["neg_log_loss"])


def test_a_name_judges_the_rare_class_whatever_it_is_called(predictions):
    y, z = predictions
    # The same rows with the rare class sorted first; logits are the rare class's.
    second = OutOfFoldScorer("f1", None, y, CLASSES, 1)
    first = OutOfFoldScorer("f1", None, 1 - y, CLASSES, 0)
    assert first.score(z) == second.score(z)
    assert first.tie_breakers(z) == second.tie_breakers(z)


def test_f1_is_0_where_no_row_is_predicted_rare(predictions):
    y, z = predictions
    assert OutOfFoldScorer("f1", None, y, CLASSES, 1).score(z - 99) == 0


@pytest.mark.parametrize("rare", [0, 1])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_tuned_score_is_that_at_the_best_threshold(predictions, weighted, rare, rng):
    """And rules get this threshold, with the confusion matrix at 0.5."""
    y, z = predictions
    w = rng.uniform(0.1, 2, size=len(y)) if weighted else None
    coded = y if rare == 1 else 1 - y
    judge = OutOfFoldScorer("jaccard", None, coded, CLASSES, rare, w, tuned=True)
    levels = np.sort(z[:, 0])
    tried = {
        at: jaccard_score(y, z[:, 0] > at, sample_weight=w)
        for at in (levels[1:] + levels[:-1]) / 2
    }
    # Thresholds are tried midway between rare rows alone.
    assert judge.score(z) == pytest.approx(max(tried.values()), rel=0.03)
    found = judge.at_thresholds(z)
    between = logit(found["best_threshold"])
    assert jaccard_score(y, z[:, 0] > between, sample_weight=w) > 0.9 * judge.score(z)
    cells = confusion_matrix(y, z[:, 0] > 0, sample_weight=w).ravel()
    assert [found[cell] for cell in ("tn", "fp", "fn", "tp")] == pytest.approx(cells)


def test_rules_get_the_threshold_of_what_is_scored(rng):
    y = (np.arange(400) % 10 == 0).astype(int)
    z = rng.normal(y - 2.0)[:, None]
    at = {
        name: OutOfFoldScorer(name, None, y, CLASSES, 1).at_thresholds(z)
        for name in ("accuracy", "f1", "precision")  # which has no criterion
    }
    correct = {
        name: np.mean((z[:, 0] > logit(found["best_threshold"])) == y)
        for name, found in at.items()
    }
    assert correct["accuracy"] > correct["f1"]
    assert at["precision"] == at["f1"]


def test_of_more_than_two_classes_rules_get_no_threshold(rng):
    judge = OutOfFoldScorer("f1", None, rng.integers(3, size=9), np.arange(3), 2)
    found = judge.at_thresholds(rng.normal(size=(9, 3)))
    assert set(found) == set(HeldOut._fields) and np.isnan([*found.values()]).all()


def test_a_callable_gets_the_users_own_labels_and_columns(predictions):
    y, z = predictions
    seen = {}

    def scorer(estimator, X, y):
        seen.update(X=X, y=y, p=estimator.predict_proba(X), labels=estimator.predict(X))
        seen.update(z=estimator.decision_function(X))
        return 0.5

    X = np.arange(80)[:, None]
    OutOfFoldScorer(scorer, X, 1 - y, CLASSES, 0).score(z)
    assert seen["X"] is X
    assert list(seen["y"]) == list(CLASSES[1 - y])
    # z is the logit of "legit", here the rare class and the first column.
    assert np.allclose(seen["p"], probabilities(-z))
    np.testing.assert_array_equal(seen["z"], -z[:, 0])
    assert list(seen["labels"]) == list(np.where(z[:, 0] >= 0, "legit", "odd"))

    named = make_scorer(fbeta_score, beta=2, pos_label="odd")
    assert OutOfFoldScorer(named, X, y, CLASSES, 1).score(z) == pytest.approx(
        fbeta_score(y, z[:, 0] > 0, beta=2)
    )


def test_sample_weight_goes_only_to_scorers_that_take_it(predictions):
    y, z = predictions

    def accuracy(y_true, y_pred):
        return np.mean(y_true == y_pred)

    judge = OutOfFoldScorer(make_scorer(accuracy), None, y, CLASSES, 1, np.ones(len(y)))
    assert judge.score(z) == np.mean((z[:, 0] > 0) == y)


def test_multiclass_names_are_macro_averages(rng):
    y, z = rng.integers(3, size=60), rng.normal(size=(60, 3))
    judge = OutOfFoldScorer("f1", None, y, np.arange(3), 2)
    assert judge.score(z) == pytest.approx(
        f1_score(y, z.argmax(axis=1), average="macro")
    )
    assert judge.tie_breakers(z)[1] == pytest.approx(-log_loss(y, probabilities(z)))
    for name in ("precision", "recall", "roc_auc", "average_precision"):
        assert 0 < OutOfFoldScorer(name, None, y, np.arange(3), 2).score(z) < 1


def test_which_scorers_take_weights():
    assert can_be_weighted("roc_auc") and can_be_weighted("f1_macro")
    assert not can_be_weighted("neg_max_error")
    assert not can_be_weighted(get_scorer("roc_auc"))


@pytest.mark.parametrize("error", [TypeError, ValueError, ZeroDivisionError])
def test_what_a_scorer_raises_comes_through(predictions, error):
    y, z = predictions

    def fails(estimator, X, y):
        raise error("no way")

    with pytest.raises(error, match="^no way$"):
        OutOfFoldScorer(fails, None, y, CLASSES, 1).score(z)


def test_score_that_is_not_a_number_is_an_error(predictions):
    y, z = predictions
    with pytest.raises(ValueError, match="returned nan for 80 out-of-fold rows"):
        OutOfFoldScorer(lambda *_: np.nan, None, y, CLASSES, 1).score(z)
