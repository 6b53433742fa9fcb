"""Rows go through the members that did not train on them, and no others."""

import copy
import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.model_selection import RepeatedStratifiedKFold

from skadaptive._committee.folds import make_folds
from skadaptive._committee.inference import probabilities
from skadaptive._committee.seen_rows import NONE, SeenRows


@pytest.mark.parametrize("table", [np.asarray, csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("cv", [4, 0.25, None, RepeatedStratifiedKFold(n_splits=3)])
def test_members_are_those_of_the_folds(rng, table, cv):
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 4 == 0
    folds = make_folds(cv, X, y.astype(int), np.ones(60), None, seed=0)
    members = SeenRows.of(table(X), folds).match(X)
    for row, numbers in enumerate(members):
        expected = {m for m, (_, test) in enumerate(folds) if row in test}
        assert {m for m in numbers if m != NONE} == expected


def test_only_the_same_table_matches(rng):
    X = rng.normal(size=(50, 3)).astype(np.float32)
    X[0] = 0.0, np.nan, 1.0
    seen = SeenRows.of(X, [(np.arange(25), np.arange(25, 50))])
    same = X.astype(float)
    same[0] = -0.0, -np.nan, 1.0
    assert seen.match(same) is not None
    other = X.copy()
    other[17, 2] += 1e-3
    for table in (other, X[::-1], X[:-1], X[:, ::-1]):
        assert seen.match(table) is None


def test_rows_that_differ_by_little_are_others(rng):
    X = rng.normal(size=(50, 3)) * 1e-25
    seen = SeenRows.of(X, [(np.arange(25), np.arange(25, 50))])
    other = X.copy()
    other[17, 2] *= 2
    assert seen.match(X) is not None and seen.match(other) is None


def test_the_same_values_in_other_cells_are_another_table():
    X = csr_array(([1.0, 2.0], [0, 1], [0, 1, 2]), shape=(2, 3))
    seen = SeenRows.of(X, [(np.arange(1), np.arange(1, 2))])
    others = ([0, 2], [0, 1, 2]), ([0, 1], [0, 2, 2])
    for indices, indptr in others:
        assert seen.match(csr_array((X.data, indices, indptr), X.shape)) is None
    assert seen.match(X.copy()) is not None


def test_a_small_number_per_row(binary, quick):
    X, y = binary
    classifier = quick().fit(X, y)
    assert classifier._seen_rows.members.nbytes == len(y)
    assert pickle.loads(pickle.dumps(classifier))._members_that_held_out(X) is not None


def test_held_out_logits_are_those_of_oof_proba(binary, multiclass, quick):
    repeated = RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0)
    for (X, y), cv in ((binary, 3), (multiclass, 3), (binary, repeated)):
        classifier = quick(cv=cv).fit(X, y)
        members = classifier._members_that_held_out(X)
        logits = classifier._held_out_logits(X, members)
        np.testing.assert_allclose(
            probabilities(logits), classifier.oof_proba_, atol=1e-6
        )


def test_a_member_that_trained_on_a_row_has_no_say(binary, quick):
    """Members other than those that held a row out may predict anything."""
    X, y = binary
    classifier = quick().fit(X, y)
    members = classifier._members_that_held_out(X)
    before = classifier._held_out_logits(X, members)
    for member in range(3):
        broken = copy.deepcopy(classifier)
        broken._committee.biases[-1][member] += 100.0
        after = broken._held_out_logits(X, members)
        changed = ~np.isclose(before, after).all(axis=1)
        np.testing.assert_array_equal(changed, members[:, 0] == member)


def test_rows_that_no_member_held_out_go_through_all(binary, quick):
    X, y = binary
    classifier = quick(cv=0.25).fit(X, y)
    members = classifier._members_that_held_out(X)
    trained_on = members[:, 0] == NONE
    assert 0.7 < trained_on.mean() < 0.8
    np.testing.assert_array_equal(
        classifier._held_out_logits(X, members)[trained_on],
        classifier._logits(X[trained_on]),
    )


def test_no_row_counts_as_held_out_if_earlier_calls_may_have_seen_it(binary, quick):
    X, y = binary
    classifier = quick(warm_start=True).fit(X, y)
    first = classifier._members_that_held_out(X)
    again = classifier.fit(X, y)._members_that_held_out(X)
    np.testing.assert_array_equal(again, first)
    assert (classifier.fit(X[::-1], y[::-1])._seen_rows.members == NONE).all()
    classifier.partial_fit(X, y)
    assert classifier._members_that_held_out(X) is None


def test_a_training_that_continues_knows_its_rows_only_if_they_are_the_same(rng):
    X = rng.normal(size=(20, 2))
    folds = [(np.arange(10), np.arange(10, 20)), (np.arange(10, 20), np.arange(10))]
    seen = SeenRows.of(X, folds)
    assert seen.after(SeenRows.of(X, folds)) is seen
    for earlier in (None, SeenRows.of(X + 1, folds), SeenRows.of(X, folds[::-1])):
        after = seen.after(earlier)
        assert (after.match(X) == NONE).all() and after.match(X).shape == (20, 1)
