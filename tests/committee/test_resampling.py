"""Resampling of the training rows alone."""

import itertools

import numpy as np
import pandas as pd
import pytest
from imblearn.base import BaseSampler
from imblearn.combine import SMOTEENN, SMOTETomek
from imblearn.over_sampling import SMOTE, SMOTENC, RandomOverSampler
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import (
    ClusterCentroids,
    InstanceHardnessThreshold,
    RandomUnderSampler,
)
from numpy.testing import assert_array_equal
from sklearn.cluster import MiniBatchKMeans
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeClassifier

from skadaptive._committee.resampling import resample
from skadaptive._committee.rows import TrainingRows

# ------------------------------------------------------------------------- sampler


class Spy(BaseSampler):
    """A sampler that remembers what it was given, and marks what it makes."""

    _sampling_type = "over-sampling"
    _parameter_constraints = {"sampling_strategy": "no_validation"}
    seen = []

    def _fit_resample(self, X, y):
        Spy.seen.append((X.copy(), y.copy()))
        extra = X[y == 1] + 100.0
        return np.concatenate([X, extra]), np.concatenate([y, np.ones(len(extra), int)])


def test_sampler_sees_only_what_its_member_trains_on(quick, binary):
    """Fails if rows are resampled before they are split."""
    X, y = binary
    Spy.seen = []
    judged = []

    def scorer(estimator, X, y):
        judged.append((np.array(X), np.array(y)))
        return 0.5

    splits = list(StratifiedKFold(3, shuffle=True, random_state=1).split(X, y))
    model = quick(sampler=Spy(), cv=splits, scoring=scorer, max_epochs=1).fit(X, y)
    assert len(Spy.seen) == 3
    for (given_X, given_y), (train, _) in zip(Spy.seen, splits, strict=True):
        assert_array_equal(given_X, X[train])
        assert_array_equal(given_y, y[train])
    # Judged: every row once, none of those that were made, at its natural share.
    ((judged_X, judged_y),) = judged
    assert_array_equal(judged_X, X)
    assert_array_equal(judged_y, y)
    assert model.oof_proba_.shape == (len(y), 2)


def test_no_leak_from_resampling(quick, rng):
    """Random labels: over-sampled before the split, copies would tell them."""
    X, y = rng.normal(size=(300, 20)), (rng.random(300) < 0.1).astype(int)
    epochs = itertools.count()
    model = quick(
        hidden_layer_sizes=(64,),
        sampler=RandomOverSampler(),
        scoring=lambda *_: next(epochs),
        max_epochs=60,
    ).fit(X, y)
    order = np.argsort(-model.oof_proba_[:, 1])
    assert y[order][: y.sum()].mean() < 0.4
    # The same, resampled first: every copy of a rare row is found.
    X_over, y_over = RandomOverSampler(random_state=0).fit_resample(X, y)
    leaking = quick(
        hidden_layer_sizes=(64,), scoring=lambda *_: next(epochs), max_epochs=60
    ).fit(X_over, y_over)
    order = np.argsort(-leaking.oof_proba_[:, 1])
    assert y_over[order][: y_over.sum()].mean() > 0.9


@pytest.mark.parametrize(
    "sampler",
    [
        SMOTE(),
        SMOTETomek(),
        RandomUnderSampler(),
        RandomOverSampler(),
        RandomOverSampler(shrinkage=0.5),
    ],
    ids=str,
)
def test_samplers_of_imbalanced_learn(sampler, quick, binary):
    X, y = binary
    model = quick(sampler=sampler).fit(X, y)
    assert not np.isnan(model.oof_proba_).any()
    # Calibrated at the natural share although trained on balanced rows.
    assert model.oof_proba_[:, 1].mean() == pytest.approx(y.mean(), abs=0.02)
    again = quick(sampler=sampler).fit(X, y)
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def resampled(sampler, X, y, folds):
    """What is appended to the rows, and the folds that are left."""
    rows = TrainingRows(X, y, np.ones(len(y)), folds)
    return resample(sampler, X, rows, np.unique(y), 0, as_numbers=np.asarray)


class OneFold(BaseSampler):
    """A sampler with a splitter inside."""

    _sampling_type = "clean-sampling"
    _parameter_constraints = {"splitter": "no_validation"}

    def __init__(self, splitter):
        super().__init__()
        self.splitter = splitter

    def _fit_resample(self, X, y):
        rows = next(self.splitter.split(X, y))[0]
        return X[rows], y[rows]


@pytest.mark.parametrize(
    "sampler",
    [
        SMOTE(),
        SMOTEENN(smote=SMOTE()),
        SMOTETomek(smote=SMOTE(random_state=np.random.RandomState(0))),
        make_pipeline(SMOTE(sampling_strategy=0.5), RandomUnderSampler()),
        make_pipeline(
            RandomUnderSampler(sampling_strategy=0.5), SMOTEENN(smote=SMOTE())
        ),
        ClusterCentroids(estimator=MiniBatchKMeans(n_init=1)),
        InstanceHardnessThreshold(estimator=DecisionTreeClassifier(max_features=1)),
        OneFold(StratifiedKFold(2, shuffle=True)),
    ],
    ids=lambda sampler: "".join(str(sampler).split())[:40],
)
def test_a_seed_makes_any_sampler_repeatable(sampler, binary):
    """Also where samplers and estimators are inside; what was given stays as it is."""
    X, y = binary
    before = str(sampler)
    folds = [(np.arange(300), np.arange(300, 400))] * 2

    def drawn():
        np.random.seed()
        synthetic, picked = resampled(sampler, X, y, folds)
        if synthetic:
            return [rows for rows, _ in synthetic]
        return [X[train] for train, _ in picked]

    first, second = drawn(), drawn()
    for one, other in zip(first, second, strict=True):
        assert_array_equal(one, other)
    # The members' samplers differ all the same.
    assert first[0].shape != first[1].shape or (first[0] != first[1]).any()
    assert str(sampler) == before


@pytest.mark.parametrize(
    "sampler", [RandomUnderSampler(), RandomOverSampler()], ids=str
)
def test_picked_rows_are_the_given_ones_with_their_missing_values(sampler, binary, rng):
    """None is made; each member's are drawn from its own training rows, evenly."""
    X, y = binary
    X = np.where(rng.random(X.shape) < 0.2, np.nan, X)
    given = list(StratifiedKFold(3).split(X, y))
    synthetic, folds = resampled(sampler, X, y, given)
    assert not synthetic
    for (before, test), (train, still_test) in zip(given, folds, strict=True):
        assert_array_equal(still_test, test)
        assert np.isin(train, before).all()
        counts, given_counts = np.bincount(y[train]), np.bincount(y[before])
        assert counts[0] == counts[1] in given_counts
        assert np.isnan(X[train]).any()


def test_rows_that_are_moved_are_not_taken_for_picked_ones(binary):
    X, y = binary
    given = list(StratifiedKFold(3).split(X, y))
    synthetic, folds = resampled(RandomOverSampler(shrinkage=0.5), X, y, given)
    assert len(synthetic) == 3
    made = np.concatenate([rows for rows, _ in synthetic])
    assert_array_equal(
        np.concatenate([train for train, _ in folds]), len(X) + np.arange(len(made))
    )


def test_members_have_their_own_draw(quick, binary):
    X, y = binary
    every = [(np.arange(300), np.arange(300, 400))] * 3
    # With the same rows for all, the draws alone differ; weights of 0 steps show it.
    model = quick(sampler=RandomUnderSampler(random_state=0), cv=every, max_epochs=1)
    model.fit(X, y)
    first, second = (model._committee.logits(X, m) for m in (0, 1))
    assert np.abs(first - second).max() > 1e-3


def test_smotenc_on_a_frame(quick, binary):
    X, y = binary
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(a=(X[:, 0] > 0).astype(int))
    model = quick(sampler=SMOTENC(categorical_features=["a"])).fit(frame, y)
    assert not np.isnan(model.oof_proba_).any()


def test_sampler_and_weights(quick, binary):
    X, y = binary
    weight = np.where(y == 1, 2.0, 1.0)
    quick(sampler=RandomUnderSampler()).fit(X, y, sample_weight=weight)
    with pytest.raises(ValueError, match="takes? a sampler that picks rows"):
        quick(sampler=SMOTE()).fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("value", ["red", np.nan])
def test_samplers_that_need_numbers_say_where_to_get_them(value, quick, binary):
    X, y = pd.DataFrame(binary[0]).add_prefix("x"), binary[1]
    message = r"does not take the \d+ training rows.*\. Categories .*table_pipeline"
    with pytest.raises(ValueError, match=f"(?s){message}"):
        quick(sampler=SMOTE()).fit(X.assign(x0=value), y)
    with pytest.raises(ValueError, match=r"n_neighbors = 400, [^.]*$"):
        quick(sampler=SMOTE(k_neighbors=399)).fit(X, y)


class OneClass(BaseSampler):
    _sampling_type = "clean-sampling"
    _parameter_constraints = {"sampling_strategy": "no_validation"}

    def _fit_resample(self, X, y):
        return X[y == 0], y[y == 0]


def test_bad_samplers(quick, binary):
    X, y = binary
    model = quick().fit(X, y)
    state = dict(vars(model))
    with pytest.raises(ValueError, match="OneClass.*leaves 1 of 2 classes"):
        model.set_params(sampler=OneClass()).fit(X, y)
    with pytest.raises(ValueError, match="'sampler' parameter.*fit_resample"):
        model.set_params(sampler="smote").fit(X, y)
    model.set_params(sampler=None)
    assert vars(model) == state


def test_a_fold_of_one_class_is_left_and_the_next_one_is_not(binary):
    X, y = binary
    all_of_one, rest = np.flatnonzero(y == 0), np.arange(len(y))
    folds = [(all_of_one, rest), (rest, all_of_one)]
    _, (left, balanced) = resampled(RandomOverSampler(), X, y, folds)
    assert_array_equal(left[0], all_of_one)
    shares = np.bincount(y[balanced[0]])
    assert shares[0] == shares[1] > np.sum(y == 1)
