"""Sparse tables in every method, and what wide ones leave out."""

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import RandomUnderSampler
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.metrics import average_precision_score
from sklearn.preprocessing import MaxAbsScaler

from skadaptive import AdaptiveHybridClassifier, _fitting


def loose(X):
    """A CSR table with a stored 0, an entry in two parts, and indices not sorted."""
    X = sparse.csr_matrix(X)
    first, rest = X[0], X[1:]
    zero = int(np.setdiff1d(np.arange(X.shape[1]), first.indices)[0])
    data = [*first.data[::-1] / 2, *first.data / 2, 0.0]
    indices = [*first.indices[::-1], *first.indices, zero]
    return sparse.csr_matrix(
        (
            np.r_[data, rest.data],
            np.r_[indices, rest.indices],
            np.r_[0, len(data) + rest.indptr],
        ),
        shape=X.shape,
    )


FORMATS = [
    loose,
    sparse.csr_array,
    sparse.csc_matrix,
    sparse.csc_array,
    sparse.coo_matrix,
    sparse.coo_array,
]


@pytest.fixture(scope="module")
def terms():
    """Counts of 3,000 terms, of which 20 come more often in the rare class."""
    rng = np.random.default_rng(0)
    X = rng.poisson(1 / np.sqrt(1 + np.arange(3000)) / 3, (600, 3000))
    y = (rng.random(600) < 0.15).astype(int)
    X[:, 200:220] += y[:, None] * rng.poisson(0.3, (600, 20))
    return sparse.csr_matrix(X.astype(float)), y


@pytest.fixture
def few_columns(monkeypatch):
    """A network of a sparse table takes 100 columns at most."""
    monkeypatch.setattr("skadaptive._features.sparse._MOST_COLUMNS", 100)
    monkeypatch.setattr("skadaptive._features.sparse._LEAST_COLUMNS", 100)


def columns(model):
    return model._committee.transform.columns


def input_scales(model, n_inputs):
    """Input scales of each member at the best epoch, (n_members, n_inputs)."""
    state = model._state.training
    return state.averages[0].reshape(state.layout.n_members, -1)[:, :n_inputs]


def test_few_columns_are_like_dense_ones(quick, terms):
    X, y = terms
    X = X[:, :50]
    one, other = quick().fit(X, y), quick().fit(X.toarray(), y)
    assert_array_equal(one.predict_proba(X), other.predict_proba(X.toarray()))
    assert_array_equal(one.oof_proba_, other.oof_proba_)
    assert_array_equal(other.predict_proba(X), other.predict_proba(X.toarray()))


@pytest.mark.parametrize("form", FORMATS)
def test_all_forms_give_the_same_bits(form, quick, terms, few_columns):
    X, y = terms
    expected = quick().fit(X, y)
    model = quick().fit(form(X), y)
    assert_array_equal(model.predict_proba(form(X)), expected.predict_proba(X))
    assert_array_equal(model.decision_function(X.toarray()), model.decision_function(X))


def test_informative_terms_are_chosen(quick, terms, few_columns):
    X, y = terms
    model = quick(max_epochs=12).fit(X[:400], y[:400])
    assert len(columns(model)) <= 100
    assert np.isin(np.arange(200, 220), columns(model)).sum() >= 15
    proba = model.predict_proba(X[400:])[:, 1]
    assert average_precision_score(y[400:], proba) > 0.6


def test_a_member_uses_no_column_that_others_chose(quick, terms, few_columns):
    X, y = terms
    half = np.arange(600) < 300
    rows = np.flatnonzero(half), np.flatnonzero(~half)
    model = quick(warm_start=True, cv=[rows, rows[::-1]], n_bins=None).fit(X, y)
    scales = input_scales(model, len(model._committee.kernels[0][0]))
    used = scales != 0
    assert used.any(axis=0).all() and not used.all(axis=1).any()
    # The kernels of inputs that a member does not use are 0 as well.
    kernels = np.abs(model._committee.kernels[0]).max(axis=2)
    n_each = len(kernels) // 2
    for member in range(2):
        own = kernels[member * n_each : (member + 1) * n_each]
        assert_array_equal(own > 0, np.tile(used[member, : own.shape[1]], (n_each, 1)))


def test_scores_of_noise_are_those_of_chance(quick, terms, few_columns):
    X, _ = terms
    y = (np.random.default_rng(1).random(600) < 0.15).astype(int)
    model = quick(max_epochs=8, scoring="average_precision").fit(X, y)
    assert average_precision_score(y, model.oof_proba_[:, 1]) < 0.3


def test_columns_that_are_mostly_0_are_not_encoded(quick, terms, few_columns):
    X, y = terms
    filled = sparse.csr_matrix(
        np.random.default_rng(0).normal(size=(600, 2)) + y[:, None]
    )
    model = quick().fit(sparse.hstack([filled, X]), y)
    transform = model._committee.transform
    features = transform.scaler.feature_of_column[transform.encoding.columns]
    assert {0, 1} <= set(columns(model)[features])
    assert (columns(model)[features] < 10).all()


def test_tables_are_never_made_dense_as_a_whole(quick, terms, few_columns, monkeypatch):
    X, y = terms
    dense = []
    whole = sparse.csr_matrix.toarray

    def toarray(self, *args, **kwargs):
        dense.append(self.shape)
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(sparse.csr_matrix, "toarray", toarray)
    monkeypatch.setattr("skadaptive.classifier._DENSE_VALUES", 1000)
    expected = quick().fit(X, y)
    assert max(n for _, n in dense) <= 100
    dense.clear()
    parts = expected.predict_proba(X)
    assert len(dense) > 10 and max(n * p for n, p in dense) <= 1000
    monkeypatch.undo()
    assert_array_equal(expected.predict_proba(X), parts)


@pytest.mark.parametrize(
    "sampler", [SMOTE(k_neighbors=3), RandomUnderSampler(), RandomOverSampler()]
)
def test_samplers(sampler, quick, terms, few_columns):
    X, y = terms
    model = quick(sampler=sampler).fit(X.tocoo(), y)
    assert model.score(X, y) > 0.8
    pipeline = make_pipeline(MaxAbsScaler(), sampler, quick()).fit(X, y)
    assert pipeline.predict_proba(X).shape == (600, 2)


def test_picked_rows_are_told_from_made_ones(quick, terms):
    X, y = terms
    X = X[:, :50]
    sampler = RandomUnderSampler()
    one = quick(sampler=sampler).fit(X, y, sample_weight=np.ones(600))
    other = quick(sampler=sampler).fit(X.toarray(), y)
    assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    with pytest.raises(ValueError, match="says nothing about the rows"):
        quick(sampler=SMOTE(k_neighbors=3)).fit(X, y, sample_weight=np.ones(600))


def test_streams_and_warm_starts(quick, terms, few_columns):
    X, y = terms
    model = quick()
    for _ in range(4):
        for part in np.array_split(np.arange(600), 3):
            model.partial_fit(X[part], y[part], classes=[0, 1])
    chosen = columns(model)
    assert len(chosen) <= 100
    assert average_precision_score(y, model.predict_proba(X)[:, 1]) > 0.5
    model = quick(warm_start=True).fit(X, y)
    chosen = columns(model)
    model.fit(X, y)
    assert_array_equal(columns(model), chosen)
    assert model.n_iter_ > 5
    model.partial_fit(X.toarray(), y)


def test_a_first_chunk_of_one_class(quick, terms, few_columns):
    X, y = terms
    model = quick().partial_fit(X[y == 0], y[y == 0], classes=[0, 1])
    assert 0 < len(columns(model)) <= 100


def test_validation_rows_may_be_dense(quick, terms, few_columns):
    X, y = terms
    for X_train, X_val in ((X, X.toarray()), (X.toarray(), X), (X, X)):
        model = quick().fit(X_train[:400], y[:400], X_val=X_val[400:], y_val=y[400:])
        assert model.best_score_ > 0.3


def test_own_scorers_get_sparse_rows(quick, terms):
    X, y = terms

    def scorer(estimator, X, y):
        assert sparse.issparse(X)
        return estimator.score(X, y)

    assert quick(scoring=scorer).fit(X[:, :30].tocoo(), y).best_score_ > 0.5


def test_keras_model_takes_the_whole_table(quick, terms, few_columns):
    X, y = terms
    model = quick().fit(X, y)
    proba = model.model_.predict(X.toarray(), verbose=0)
    assert_allclose(proba, model.predict_proba(X), atol=1e-5)


def test_missing_and_infinite_values(quick, terms, few_columns):
    X, y = terms
    X = X.copy()
    X.data[::50] = np.nan
    assert np.isfinite(quick().fit(X, y).predict_proba(X)).all()
    X.data[0] = np.inf
    with pytest.raises(ValueError, match="Input X contains infinity"):
        quick().fit(X, y)


def test_categories_of_sparse_tables_are_refused(quick, terms):
    X, y = terms
    with pytest.raises(ValueError, match="names 1 columns of a sparse table"):
        AdaptiveHybridClassifier(categorical_features=[0]).fit(X, y)


def test_a_member_does_not_see_the_columns_that_others_have_chosen(
    quick, rng, monkeypatch
):
    X = np.where(rng.random((120, 12)) < 0.5, rng.normal(size=(120, 12)), 0.0)
    y = np.arange(120) % 4 == 0
    monkeypatch.setattr("skadaptive._committee.inputs.most_columns", lambda n_rows: 4)
    chosen, original = [], _fitting.sparse_inputs

    def kept(*given):
        chosen.append(original(*given))
        return chosen[-1]

    monkeypatch.setattr(_fitting, "sparse_inputs", kept)
    committee = quick(max_epochs=2).fit(sparse.csr_array(X), y)._committee
    (found,) = chosen
    assert not found.used.all()
    X = X[:, found.transform.columns]
    before = [committee.logits(X, member) for member in range(len(found.used))]
    for column, used in enumerate(found.used.T):
        changed = X.copy()
        changed[:, column] += 1
        for member, is_used in enumerate(used):
            same = committee.logits(changed, member) == before[member]
            assert same.all() != is_used
