"""Class shares and stability of generated tables, against float64 references."""

import re
import warnings

import numpy as np
import pandas as pd
from bounded import bounded
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chi2
from sklearn.exceptions import ConvergenceWarning

from skadaptive.drift import adjust_to_prior, population_stability, prior_shift

KINDS = ["any", "ties", "ends", "tiny", "constant"]


def probabilities(kind, shape, rng):
    """Probabilities with ties, ends and numbers next to 0, rows summing to 1."""
    size, n_classes = shape
    values = {
        "any": rng.dirichlet(np.ones(n_classes), size),
        "ties": rng.multinomial(4, np.full(n_classes, 1 / n_classes), size) / 4,
        "ends": np.eye(n_classes)[rng.integers(n_classes, size=size)],
        "tiny": 10.0 ** rng.uniform(-320, 0, shape),
        "constant": np.broadcast_to(rng.dirichlet(np.ones(n_classes)), shape),
    }[kind]
    return values / values.sum(axis=1, keepdims=True)


@st.composite
def pairs(draw):
    """Probabilities of reference rows and of new ones, 1-D for two classes perhaps."""
    n_classes = draw(st.integers(2, 4))
    kinds = draw(st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)))
    sizes = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    dtype = draw(st.sampled_from(["float64", "float64", "float32", "float16"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    both = [
        probabilities(kind, (size, n_classes), rng)
        for kind, size in zip(kinds, sizes, strict=True)
    ]
    if n_classes == 2 and draw(st.booleans()):
        both = [values[:, 1] for values in both]
    with np.errstate(under="ignore"):
        reference, new = (values.astype(dtype) for values in both)
    if draw(st.booleans()) and dtype != "float16":
        reference[rng.random(len(reference)) < 0.2] = np.nan
    return reference, new


def log_likelihood(shares, old, new):
    """Mean of the log of the mixture of the classes, up to a constant."""
    density = (new * (shares / old)).sum(axis=1)
    with np.errstate(divide="ignore"):
        return np.log(density).mean()


@bounded(60)
@given(pairs())
def test_shares_are_the_most_likely_ones(pair):
    reference, new = pair
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = prior_shift(reference, new, max_iter=300)
    except ValueError as error:
        message = str(error)
        assert "proba_reference" in message or "proba_new" in message
        sound = reference[~np.isnan(reference).reshape(len(reference), -1).any(axis=1)]
        columns = as_columns(sound)
        assert (
            not len(sound)
            or columns.mean(axis=0).min() < 1e-300
            or not (np.abs(columns.sum(axis=1) - 1) < 1e-3).all()
            or not (np.abs(as_columns(new).sum(axis=1) - 1) < 1e-3).all()
        )
        return
    shares = np.array([1 - found, found]) if np.ndim(new) == 1 else found
    assert np.isfinite(shares).all() and shares.min() >= 0
    assert_allclose(shares.sum(), 1, rtol=1e-9)
    columns = as_columns(reference)
    old = columns[~np.isnan(columns).any(axis=1)].mean(axis=0)
    best = log_likelihood(shares, old, as_columns(new))
    rng = np.random.default_rng(0)
    n_classes = len(old)
    others = [
        *np.eye(n_classes),
        *rng.dirichlet(np.ones(n_classes), 30),
        old / old.sum(),
    ]
    for other in others:
        assert log_likelihood(other, old, as_columns(new)) <= best + 1e-5


def as_columns(values):
    """Probabilities with a column for each class, in float64."""
    values = np.asarray(values, float)
    return np.column_stack([1 - values, values]) if values.ndim == 1 else values


@bounded(60)
@given(pairs(), st.data())
def test_adjusted_probabilities_are_bayes_rule(pair, data):
    _, proba = pair
    assume((np.abs(as_columns(proba).sum(axis=1) - 1) < 1e-3).all())
    share = st.floats(1e-90, 1) | st.sampled_from([1e-90, 1e-9, 0.5, 1.0])
    olds, news = share | st.just(1e-310), share | st.just(0.0)
    if proba.ndim == 1:
        old, new = data.draw(olds.filter(lambda s: s < 1)), data.draw(news)
        both = [np.array([1 - s, s]) for s in (old, new)]
    else:
        size = proba.shape[1]
        old, new = (
            np.array(data.draw(st.lists(shares, min_size=size, max_size=size)))
            for shares in (olds, news)
        )
        new[0] = 1.0
        old, new = both = [s / s.sum() for s in (old, new)]
    try:
        adjusted = adjust_to_prior(proba, old, new)
    except ValueError as error:
        assert re.search(r"\b(old|new)\b", str(error))
        assert min(both[0].min(), both[1].min()) < 1e-290
        return
    assert adjusted.shape == proba.shape and adjusted.dtype == np.float64
    exact = as_columns(proba).astype(np.longdouble) * both[1] / both[0]
    exact /= exact.sum(axis=1, keepdims=True)
    exact = exact[:, 1] if proba.ndim == 1 else exact
    # Of products below 1e-308 float64 holds fewer digits, or none.
    assert_allclose(adjusted, exact.astype(float), rtol=1e-9, atol=1e-200)


# ------------------------------------------------------------------------- stability


@st.composite
def columns(draw):
    """A column of reference rows and one of new rows, of one kind."""
    sizes = draw(st.tuples(st.integers(1, 80), st.integers(1, 80)))
    kind = draw(
        st.sampled_from(
            ["float16", "float32", "float64", "int8", "uint64", "bool", "Int64"]
            + ["Float64", "boolean", "category", "string", "object", "mixed"]
        )
    )
    shape = draw(st.sampled_from(["normal", "ties", "constant", "mostly", "scaled"]))
    gone = draw(st.sampled_from([0.0, 0.3, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return [column(kind, shape, gone, size, rng) for size in sizes]


def column(kind, shape, gone, size, rng):
    """Values of a kind; ``gone`` is the share that is missing, if any can be."""
    values = {
        "normal": rng.normal(size=size),
        "ties": rng.integers(-3, 3, size).astype(float),
        "constant": np.ones(size),
        "mostly": np.where(rng.random(size) < 0.7, 0.0, rng.exponential(size=size)),
        "scaled": rng.normal(size=size) * 10.0 ** rng.uniform(-300, 300, size),
    }[shape]
    is_missing = rng.random(size) < gone
    if kind in ("float16", "float32", "float64"):
        values = np.clip(values, np.finfo(kind).min, np.finfo(kind).max)
        values[is_missing] = np.nan
        with np.errstate(under="ignore"):
            return pd.Series(values.astype(kind))
    codes = np.clip(values, -3, 3).round().astype(int)
    if kind in ("int8", "uint64"):
        return pd.Series((codes % 5).astype(kind))
    if kind == "bool":
        return pd.Series(codes > 0)
    if kind in ("Int64", "Float64"):
        return pd.Series(codes, dtype=kind).mask(is_missing)
    if kind == "boolean":
        return pd.Series(codes > 0, dtype=kind).mask(is_missing)
    texts = pd.Series([f"level {code}" for code in codes], dtype=object)
    if kind == "mixed":
        texts[codes > 1] = 7
    texts = texts.mask(is_missing, [None, np.nan, pd.NA][rng.integers(3)])
    return texts if kind in ("object", "mixed") else texts.astype(kind)


def stability(reference, new, n_bins):
    """The row of the report, counted value by value."""
    missing = [column.isna().sum() for column in (reference, new)]
    sizes = len(reference), len(new)
    one, other = (column.dropna().tolist() for column in (reference, new))
    if all(isinstance(value, int | float) for value in one + other) and one:
        ordered = sorted(map(float, one))
        cuts = [ordered[-(-k * len(one) // n_bins) - 1] for k in range(1, n_bins)]
        edges = {*cuts, *(np.nextafter(c, -np.inf) for c in cuts if cuts.count(c) > 1)}
        one, other = (
            [sum(e < v for e in edges) for v in part] for part in (one, other)
        )
        counts = [(one.count(b), other.count(b)) for b in range(len(edges) + 1)]
    else:
        levels = {*one, *other}
        counts = [(one.count(level), other.count(level)) for level in levels]
        n_one, n_other = len(one), len(other)
        rare = [
            sum(pair) * min(n_one, n_other) < 5 * (n_one + n_other) for pair in counts
        ]
        pooled = np.sum([c for c, r in zip(counts, rare, strict=True) if r], axis=0)
        counts = [c for c, r in zip(counts, rare, strict=True) if not r]
        counts += [tuple(np.broadcast_to(pooled, 2))] if any(rare) else []
    counts = [pair for pair in [*counts, tuple(missing)] if any(pair)]
    n_occupied = len(counts)
    psi = 0.0
    for a, b in counts:
        p = (a + 0.5) / (sizes[0] + 0.5 * n_occupied)
        q = (b + 0.5) / (sizes[1] + 0.5 * n_occupied)
        psi += (q - p) * np.log(q / p)
    chance = chi2.ppf(0.95, n_occupied - 1) if n_occupied > 1 else 0.0
    return psi, chance * (1 / sizes[0] + 1 / sizes[1]), n_occupied


@bounded(80)
@given(columns(), st.sampled_from([2, 3, 10]), st.integers(0, 99))
def test_stability_is_counted_value_by_value(pair, n_bins, seed):
    reference, new = (pd.DataFrame({"a": column}) for column in pair)
    try:
        report = population_stability(reference, new, n_bins=n_bins)
    except ValueError as error:
        kinds = {
            pd.api.types.is_numeric_dtype(c.dropna().infer_objects()) for c in pair
        }
        assert "Column 'a'" in str(error) and len(kinds) == 2
        return
    row = report.loc["a"]
    assert_allclose(
        row[["psi", "psi_by_chance", "n_bins"]].astype(float),
        stability(*pair, n_bins),
        rtol=1e-9,
        atol=1e-12,
    )
    shares = [column.isna().mean() for column in pair]
    assert_array_equal(row[["missing_reference", "missing_new"]], shares)
    assert row["verdict"]
    mixed = [frame.sample(frac=1, random_state=seed) for frame in (reference, new)]
    pd.testing.assert_frame_equal(population_stability(*mixed, n_bins=n_bins), report)
    same = population_stability(reference, reference, n_bins=n_bins).loc["a"]
    assert same["psi"] == 0 and same["verdict"] == "stable"
