"""Class shares among new rows, and features that have changed."""

import numpy as np
import pandas as pd
import pytest
from imblearn.datasets import make_imbalance
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import chi2
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skadaptive.drift import adjust_to_prior, population_stability, prior_shift

# ------------------------------------------------------------------- known posteriors

OLD = np.array([0.85, 0.1, 0.05])


def two(rng, share, n_rows=20_000, old=0.1):
    """Labels at a share of the rare class, and their posteriors at the old share."""
    y = (rng.random(n_rows) < share).astype(int)
    return y, expit(2 * rng.normal(2 * y, 1) - 2 + logit(old))


def three(rng, shares, n_rows=20_000, apart=2.0):
    """The same with three classes, at the shares ``OLD``."""
    means = apart * np.array([[0, 0], [1, 0], [0, 1]])
    y = rng.choice(3, size=n_rows, p=shares)
    x = means[y] + rng.normal(size=(n_rows, 2))
    density = np.exp(-0.5 * ((x[:, None] - means) ** 2).sum(axis=2))
    return y, density * OLD / (density @ OLD)[:, None]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.95])
def test_share_is_estimated(share, rng):
    _, reference = two(rng, 0.1, n_rows=100_000)
    y, new = two(rng, share)
    estimate = prior_shift(reference, new)
    assert isinstance(estimate, float)
    # Fisher information of the labels' share if it is seen through the scores.
    rise = (new / 0.1 - (1 - new) / 0.9) / (
        share * new / 0.1 + (1 - share) * (1 - new) / 0.9
    )
    noise = 1 / np.sqrt(len(new) * np.mean(rise**2))
    assert noise < 0.01
    assert abs(estimate - share) < 4 * noise
    if share != 0.1:
        # The mean of the unadjusted probabilities underestimates every change.
        assert abs(estimate - share) < 0.3 * abs(new.mean() - share)


@pytest.mark.parametrize("shares", [OLD, [0.2, 0.3, 0.5], [0.6, 0.4, 0.0]])
def test_shares_of_three_classes(shares, rng):
    _, reference = three(rng, OLD, n_rows=100_000)
    _, new = three(rng, shares)
    estimate = prior_shift(reference, new)
    assert estimate.sum() == pytest.approx(1)
    assert_allclose(estimate, shares, atol=0.02)


def test_nothing_changed_is_exact(rng):
    for proba in (two(rng, 0.1, 500)[1], three(rng, OLD, 500)[1]):
        assert_allclose(prior_shift(proba, proba), proba.mean(axis=0), rtol=1e-12)
        again = prior_shift(proba, np.concatenate([proba, proba]))
        assert_allclose(again, proba.mean(axis=0), rtol=1e-12)


def test_one_column_says_the_same_as_two(rng):
    reference, new = (two(rng, share, 1000)[1] for share in (0.1, 0.4))
    both = prior_shift(*(np.column_stack([1 - p, p]) for p in (reference, new)))
    assert both.shape == (2,)
    assert_allclose(both[1], prior_shift(reference, new), rtol=1e-9)
    assert prior_shift(1 - reference, 1 - new) == pytest.approx(both[0], rel=1e-9)


def test_estimate_is_the_root_of_the_score_function(rng):
    """Another way to the maximum: the likelihood of one share is concave."""
    reference, new = (two(rng, share, 1000)[1] for share in (0.1, 0.4))
    rare, other = new / reference.mean(), (1 - new) / (1 - reference.mean())
    root = brentq(
        lambda q: np.mean((rare - other) / (q * rare + (1 - q) * other)), 0, 1
    )
    assert prior_shift(reference, new) == pytest.approx(root, abs=1e-8)


def test_estimate_is_a_fixed_point_of_em(rng):
    """Adjusted to the estimated shares, the probabilities have these as means."""
    (_, reference), (_, new) = three(rng, OLD, 5000), three(rng, [0.5, 0.2, 0.3], 5000)
    estimate = prior_shift(reference, new)
    adjusted = adjust_to_prior(new, reference.mean(axis=0), estimate)
    assert_allclose(adjusted.mean(axis=0), estimate, atol=1e-8)


def test_order_of_classes_does_not_matter(rng):
    (_, reference), (_, new) = three(rng, OLD, 2000), three(rng, [0.3, 0.3, 0.4], 2000)
    order = [2, 0, 1]
    reordered = prior_shift(reference[:, order], new[:, order])
    assert_allclose(reordered, prior_shift(reference, new)[order], atol=1e-8)


def test_class_cut_in_two_keeps_its_share(rng):
    (_, reference), (_, new) = two(rng, 0.1, 1000), two(rng, 0.4, 1000)
    cut = [np.column_stack([1 - p, 0.3 * p, 0.7 * p]) for p in (reference, new)]
    whole = prior_shift(reference, new)
    assert prior_shift(*cut)[1:].sum() == pytest.approx(whole, abs=1e-8)


def test_classes_that_overlap_widely_converge(rng):
    """Plain EM needs some thousand iterations here."""
    (_, reference), (_, new) = (
        three(rng, shares, apart=0.5) for shares in (OLD, [0.4, 0.4, 0.2])
    )
    estimate = prior_shift(reference, new, max_iter=150)
    adjusted = adjust_to_prior(new, reference.mean(axis=0), estimate)
    assert_allclose(adjusted.mean(axis=0), estimate, atol=1e-8)
    with pytest.warns(
        ConvergenceWarning, match="not converged in 2 iterations"
    ) as seen:
        prior_shift(reference, new, max_iter=2)
    assert seen[0].filename == __file__


def test_an_extrapolation_that_lowers_the_likelihood_is_not_used():
    """Extrapolation alone does not converge on these."""
    new = [0.0, 0.01, 0.2, 0.5, 0.5]
    estimate = prior_shift([0.1], new, max_iter=50)
    assert 0.4 < estimate < 0.6
    adjusted = adjust_to_prior(new, 0.1, estimate)
    assert adjusted.mean() == pytest.approx(estimate, abs=1e-8)
    for old, expected in ((0.9, 0), (0.99, 0), (0.1, 1), (0.01, 1)):
        assert prior_shift([old], [0.5, 0.5]) == pytest.approx(expected, abs=1e-8)


def test_class_without_new_rows(rng):
    _, reference = two(rng, 0.1)
    new = two(rng, 0.0, 2000)[1]
    assert 0 <= prior_shift(reference, new[new < 0.05]) < 1e-6
    assert 1 - 1e-6 < prior_shift(1 - reference, 1 - new[new < 0.05]) <= 1


def test_certain_probabilities_are_counted():
    new = np.repeat([0.0, 1.0], [30, 10])
    assert prior_shift([0, 0, 0, 0, 1], new) == pytest.approx(0.25)
    assert prior_shift([0, 0.1, 0.2, 1], np.zeros(5)) == pytest.approx(0, abs=1e-9)
    assert prior_shift([0, 0.1, 0.2, 1], np.ones(5)) == pytest.approx(1)
    # A single row with probability 1 keeps the share above 0.
    assert prior_shift([0.1] * 10, [0.0] * 9 + [1.0]) == pytest.approx(0.1)


def test_rows_never_held_out_are_left_out(rng):
    reference, new = two(rng, 0.1, 500)[1], two(rng, 0.3, 500)[1]
    holes = np.insert(reference, [0, 100, 499], np.nan)
    assert prior_shift(holes, new) == prior_shift(reference, new)
    both = [np.column_stack([1 - p, p]) for p in (holes, new)]
    assert prior_shift(*both)[1] == pytest.approx(prior_shift(reference, new))


def test_containers_dtypes_and_rounding(rng):
    _, reference = three(rng, OLD, 500)
    _, new = three(rng, [0.3, 0.3, 0.4], 500)
    expected = prior_shift(reference, new)
    for form in (pd.DataFrame, np.ndarray.tolist, lambda p: p.astype("float32")):
        assert_allclose(prior_shift(form(reference), form(new)), expected, rtol=1e-4)
    # Values rounded to float32 can be outside the range.
    assert prior_shift([0.1], [1 + 5e-7, -5e-7]) == pytest.approx(0.5, abs=1e-6)
    assert_array_equal(adjust_to_prior([1 + 5e-7, -5e-7], 0.1, 0.5), [1, 0])
    # Rows rounded to four digits do not sum to 1; the shares do.
    rounded = prior_shift(reference.round(4), new.round(4))
    assert rounded.sum() == pytest.approx(1, abs=1e-12)
    assert_allclose(rounded, expected, atol=1e-3)


def test_classifier_with_rows_never_held_out(quick, binary):
    X, y = binary
    model = quick(cv=0.25).fit(X, y)
    known = ~np.isnan(model.oof_proba_[:, 1])
    assert 0 < known.sum() < len(y)
    again = prior_shift(model.oof_proba_, model.oof_proba_[known])
    assert_allclose(again, model.oof_proba_[known].mean(axis=0))
    rare = np.r_[np.flatnonzero(y == 0)[:60], np.flatnonzero(y == 1)]
    estimate = prior_shift(model.oof_proba_, model.predict_proba(X[rare]))
    assert estimate[1] > 2 * np.nanmean(model.oof_proba_[:, 1])


@pytest.fixture(scope="module")
def shifted():
    """Out-of-fold probabilities at 8 % malignant, new ones at 37 %, and new labels."""
    X, y = load_breast_cancer(return_X_y=True)
    X, X_new, y, y_new = train_test_split(
        X, y == 0, test_size=0.5, stratify=y, random_state=0
    )
    X, y = make_imbalance(X, y.astype(int), sampling_strategy={1: 16}, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    held_out = cross_val_predict(model, X, y, cv=8, method="predict_proba")[:, 1]
    return held_out, model.fit(X, y).predict_proba(X_new)[:, 1], y_new.astype(int)


def test_shift_of_real_rows_is_estimated_and_corrected(shifted):
    reference, new, y_new = shifted
    estimate = prior_shift(reference, new)
    assert abs(estimate - y_new.mean()) < 0.5 * abs(new.mean() - y_new.mean())
    adjusted = adjust_to_prior(new, reference.mean(), estimate)
    assert log_loss(y_new, adjusted) < 0.9 * log_loss(y_new, new)
    assert brier_score_loss(y_new, adjusted) < 0.9 * brier_score_loss(y_new, new)


# ------------------------------------------------------------------------- adjustment


def test_same_shares_change_nothing(rng):
    for proba, share in ((two(rng, 0.1, 500)[1], 0.1), (three(rng, OLD, 500)[1], OLD)):
        adjusted = adjust_to_prior(proba, share, share)
        assert adjusted.shape == proba.shape
        assert_allclose(adjusted, proba, rtol=1e-12)


def test_adjustment_can_be_undone_and_chained(rng):
    _, proba = three(rng, OLD, 500)
    new, last = [0.2, 0.3, 0.5], [0.4, 0.5, 0.1]
    adjusted = adjust_to_prior(proba, OLD, new)
    assert np.abs(adjusted - proba).max() > 0.1
    assert_allclose(adjusted.sum(axis=1), 1)
    assert_allclose(adjust_to_prior(adjusted, new, OLD), proba, rtol=1e-9)
    direct = adjust_to_prior(proba, OLD, last)
    assert_allclose(adjust_to_prior(adjusted, new, last), direct, rtol=1e-9)


def test_adjustment_is_bayes_rule(rng):
    _, proba = two(rng, 0.1, 500, old=0.1)
    expected = expit(logit(proba) - logit(0.1) + logit(0.6))
    assert_allclose(adjust_to_prior(proba, 0.1, 0.6), expected, rtol=1e-9)
    columns = np.column_stack([1 - proba, proba])
    for old, new in ((0.1, 0.6), ([0.9, 0.1], [0.4, 0.6]), (0.1, [0.4, 0.6])):
        adjusted = adjust_to_prior(columns, old, new)
        assert_allclose(adjusted[:, 1], expected, rtol=1e-9)
        assert_allclose(adjusted[:, 0], 1 - expected, atol=1e-12)


def test_ranking_is_kept(rng):
    _, proba = two(rng, 0.1, 500)
    adjusted = adjust_to_prior(proba, 0.1, 0.6)
    assert_array_equal(np.argsort(adjusted), np.argsort(proba))
    assert (adjusted > proba).all()
    assert (adjust_to_prior(proba, 0.1, 0.01) < proba).all()


def test_adjustment_improves_shifted_probabilities(rng):
    y, proba = two(rng, 0.5)
    adjusted = adjust_to_prior(proba, 0.1, 0.5)
    assert log_loss(y, adjusted) < 0.8 * log_loss(y, proba)
    assert brier_score_loss(y, adjusted) < 0.8 * brier_score_loss(y, proba)
    assert adjusted.mean() == pytest.approx(0.5, abs=0.02)


def test_probabilities_0_and_1():
    assert_array_equal(adjust_to_prior([0.0, 1.0], 0.1, 0.6), [0, 1])
    assert_array_equal(adjust_to_prior([0.0, 0.3], 0.1, 0.0), [0, 0])
    assert_array_equal(adjust_to_prior([np.nan, 1.0], 0.1, 0.6), [np.nan, 1])


# -------------------------------------------------------------------------- stability


def counted(**n_rows):
    """A column in which each name occurs the given number of times."""
    return pd.DataFrame({"kind": np.repeat(list(n_rows), list(n_rows.values()))})


def test_index_agrees_with_the_formula():
    report = population_stability(counted(a=60, b=40), counted(a=30, b=20, c=50))
    p = np.array([60.5, 40.5, 0.5]) / 101.5
    q = np.array([30.5, 20.5, 50.5]) / 101.5
    row = report.loc["kind"]
    assert row["psi"] == pytest.approx(np.sum((q - p) * np.log(q / p)))
    assert row["psi_by_chance"] == pytest.approx(chi2.ppf(0.95, 2) * 2 / 100)
    assert row["n_bins"] == 3


def test_same_rows_have_an_index_of_zero(rng):
    X = pd.DataFrame(
        {
            "number": rng.normal(size=300),
            "ties": rng.poisson(0.5, size=300),
            "text": rng.choice(list("abc"), size=300),
            "flag": rng.random(300) < 0.1,
            "holes": np.where(rng.random(300) < 0.2, np.nan, rng.normal(size=300)),
        }
    )
    report = population_stability(X, X.sample(frac=1, random_state=0))
    assert list(report.index) == list(X)
    assert_array_equal(report["psi"], 0)
    assert (report["psi_by_chance"] > 0).all()
    assert (report["verdict"] == "stable").all()


@pytest.mark.parametrize("n_rows", [(100, 100), (2000, 200), (200, 2000)])
@pytest.mark.parametrize("kind", ["numbers", "few categories", "many categories"])
def test_chance_exceeds_its_limit_in_one_of_twenty(kind, n_rows, rng):
    n_categories = 4 if kind == "few categories" else 300
    shares = 1 / np.arange(1, n_categories + 1)

    def draw(size):
        if kind == "numbers":
            return rng.normal(size=size)
        drawn = rng.choice(n_categories, size=size, p=shares / shares.sum())
        return pd.DataFrame(drawn.astype(str))

    report = population_stability(*(draw((n, 200)) for n in n_rows))
    exceeding = np.mean(report["psi"] > report["psi_by_chance"])
    # 0.05 is expected; quantiles of small samples and pooling change it a little.
    assert 0.005 < exceeding < 0.12
    # The mean of a chi-squared variable is its degrees of freedom.
    scale = (report["n_bins"] - 1) * sum(1 / n for n in n_rows)
    assert np.mean(report["psi"] / scale) == pytest.approx(1, abs=0.15)


def test_index_grows_with_the_shift(rng):
    X, new = rng.normal(size=(10_000, 1)), rng.normal(size=(10_000, 1))
    indices = [
        population_stability(X, new + shift)["psi"].item() for shift in (0, 0.3, 0.6, 1)
    ]
    assert indices == sorted(indices)
    # The limit of many bins: the square of the shift, in standard deviations.
    assert indices[2] == pytest.approx(0.36, abs=0.08)
    assert indices[-1] == pytest.approx(1, abs=0.2)


def test_monotone_transformations_change_nothing(rng):
    X, new = rng.normal(size=(500, 2)), rng.normal(0.5, 1, size=(400, 2))
    report = population_stability(X, new)
    for change in (np.exp, lambda x: 1e6 * x - 3, lambda x: x**3):
        pd.testing.assert_frame_equal(
            report, population_stability(change(X), change(new))
        )


def test_roles_can_be_swapped(rng):
    """Exactly for categories; approximately for quantiles of the other table."""
    one, other = counted(a=60, b=40, d=2), counted(a=30, b=20, c=90)
    forth, back = population_stability(one, other), population_stability(other, one)
    assert forth["psi"].item() == pytest.approx(back["psi"].item())
    X, new = rng.normal(size=(2000, 1)), rng.normal(0.5, 1, size=(2000, 1))
    forth, back = population_stability(X, new), population_stability(new, X)
    assert forth["psi"].item() == pytest.approx(back["psi"].item(), rel=0.15)


def test_bins_of_the_reference_are_even():
    X = np.arange(100.0)[:, None]

    def index(*values):
        return population_stability(X, np.repeat(values, 50)[:, None])["psi"].item()

    # The first tenth is 0 to 9.
    assert index(0, 9) == index(0, 0)
    assert index(9, 10) == pytest.approx(index(0, 99))
    assert index(9, 10) < 0.9 * index(0, 9)


def test_order_of_rows_and_number_of_bins(rng):
    X, new = rng.normal(size=(500, 2)), rng.normal(0.2, 1, size=(400, 2))
    report = population_stability(X, new, n_bins=5)
    assert (report["n_bins"] == 5).all()
    assert (population_stability(X, new)["n_bins"] == 10).all()
    mixed = population_stability(rng.permutation(X), rng.permutation(new), n_bins=5)
    pd.testing.assert_frame_equal(mixed, report)


@pytest.mark.parametrize(
    ("reference", "new", "verdict"),
    [
        ({"a": 500, "b": 500}, {"a": 510, "b": 490}, "stable"),
        ({"a": 20, "b": 20}, {"a": 13, "b": 27}, "no more than chance"),
        ({"a": 12, "b": 12}, {"a": 6, "b": 18}, "no more than chance"),
        ({"a": 5000, "b": 5000}, {"a": 5500, "b": 4500}, "has moved a little"),
        ({"a": 500, "b": 500}, {"a": 700, "b": 300}, "has moved somewhat: look at it"),
        (
            {"a": 500, "b": 500},
            {"a": 800, "b": 200},
            "has moved: check the data, consider training anew",
        ),
    ],
)
def test_verdict_considers_the_limits_and_chance(reference, new, verdict):
    report = population_stability(counted(**reference), counted(**new))
    assert report["verdict"].item() == verdict, report


def moved(reference, new, **parameters):
    """Whether the verdict on the only feature is that it has moved much."""
    report = population_stability(reference, new, **parameters)
    return report["verdict"].item().startswith("has moved: check")


@pytest.mark.parametrize(
    "values",
    [
        [5.0] * 200,
        [0.0] * 170 + list(range(1, 31)),
        list(range(30)) + [99.0] * 170,
        [-np.inf] * 100 + [0.0] * 50 + [np.inf] * 50,
    ],
    ids=["constant", "mostly zero", "most at the end", "infinite"],
)
def test_frequent_values(values):
    X = np.array(values)[:, None]
    assert population_stability(X, X)["psi"].item() == 0
    frequent = pd.Series(values).mode()[0]
    for beside in np.nextafter(frequent, [-np.inf, np.inf]):
        if beside != frequent:
            assert moved(X, np.where(frequent == X, beside, X))


def test_constant_column_has_one_bin():
    row = population_stability(np.ones((50, 1)), np.ones((9, 1))).loc["x0"]
    assert (row["n_bins"], row["psi"], row["psi_by_chance"]) == (1, 0, 0)
    assert row["verdict"] == "stable"


@pytest.mark.parametrize("dtype", [float, object, "category", "Float64", "string"])
def test_missing_values_are_a_bin(dtype, rng):
    X = pd.DataFrame({"a": pd.Series(rng.integers(0, 3, size=300)).astype(dtype)})
    new = X.copy()
    new.loc[:89, "a"] = None
    assert moved(X, new) and moved(new, X)
    row = population_stability(X, new).loc["a"]
    assert (row["missing_reference"], row["missing_new"]) == (0, 0.3)
    assert row["n_bins"] == 4
    assert population_stability(new, new)["psi"].item() == 0


def test_all_missing(rng):
    missing = pd.DataFrame({"a": np.full(100, np.nan)})
    row = population_stability(missing, missing).loc["a"]
    assert (row["psi"], row["n_bins"]) == (0, 1)
    for column in (rng.normal(size=100), ["b"] * 100):
        known = pd.DataFrame({"a": column})
        for absent in (missing, missing.astype(object)):
            assert moved(absent, known) and moved(known, absent)


def test_unseen_categories():
    X = counted(a=100, b=100)
    assert moved(X, counted(a=50, b=50, c=100))
    # Also if each of them is rare.
    rare = {f"c{i}": 1 for i in range(100)}
    report = population_stability(X, counted(a=50, b=50, **rare))
    assert report["n_bins"].item() == 3
    assert moved(X, counted(a=50, b=50, **rare))
    assert not moved(X, counted(a=99, b=100, c=1))


def test_categories_of_any_type_agree(rng):
    codes, new = (
        rng.integers(0, 2, size=300),
        rng.integers(0, 2, size=200) * (rng.random(200) < 0.5),
    )
    forms = [
        lambda c: np.array(["no", "yes"])[c],
        lambda c: np.array(["no", "yes"], dtype=object)[c],
        lambda c: c.astype(bool),
        lambda c: pd.Categorical.from_codes(c, ["no", "yes"]),
        lambda c: pd.Series(c).map({0: "no", 1: "yes"}).astype("string"),
        lambda c: pd.Series(c).astype("boolean"),
        lambda c: c,
    ]
    reports = [
        population_stability(pd.DataFrame({"a": f(codes)}), pd.DataFrame({"a": f(new)}))
        for f in forms
    ]
    for report in reports:
        pd.testing.assert_frame_equal(report, reports[0])
    pair = [pd.DataFrame({"a": f(c)}) for f, c in ((forms[2], codes), (forms[-1], new))]
    pd.testing.assert_frame_equal(population_stability(*pair), reports[0])
    # An unused category changes neither the bins nor their order.
    other = pd.DataFrame({"a": pd.Categorical(forms[0](new), ["yes", "unused", "no"])})
    mixed = population_stability(pd.DataFrame({"a": forms[0](codes)}), other)
    pd.testing.assert_frame_equal(mixed, reports[0])


def test_names_of_the_features(rng):
    X = rng.normal(size=(50, 2))
    frame = pd.DataFrame(X, columns=["b", "a"])
    assert list(population_stability(X, X.tolist()).index) == ["x0", "x1"]
    for pair in ((frame, frame), (frame, X), (X, frame)):
        assert list(population_stability(*pair).index) == ["b", "a"]
    twins = frame.set_axis(["b", "b"], axis=1)
    assert list(population_stability(twins, twins).index) == ["b", "b"]
    # An array that mixes numbers and text is cut as a frame would be.
    objects = np.array([X[:, 0], ["a", None] * 25], dtype=object).T
    frame = pd.DataFrame({"x0": X[:, 0], "x1": ["a", None] * 25})
    pd.testing.assert_frame_equal(
        population_stability(objects, objects[:30]),
        population_stability(frame, frame[:30]),
    )


def test_polars_frames(rng):
    polars = pytest.importorskip("polars")
    columns = {
        "a": rng.normal(size=50).tolist(),
        "b": ["x", None, "y", "x", "z"] * 10,
        "c": [1, None] * 25,
        "d": [True, None, False, False, True] * 10,
    }
    frames = [pd.DataFrame(columns), polars.DataFrame(columns)]
    reports = [population_stability(frame, frame[10:40]) for frame in frames]
    pd.testing.assert_frame_equal(*reports)


def test_probabilities_come_last(rng):
    (_, reference), (_, new) = two(rng, 0.1, 1000), two(rng, 0.6, 1000)
    X = rng.normal(size=(1000, 2))
    holes = np.r_[[np.nan] * 5, reference]
    report = population_stability(X, X, proba_reference=holes, proba_new=new)
    assert list(report.index) == ["x0", "x1", "predict_proba"]
    score = report.loc["predict_proba"]
    assert score["verdict"].startswith("has moved: check")
    by_hand = population_stability(reference[:, None], new[:, None]).loc["x0"]
    assert list(score) == list(by_hand)
    columns = [np.column_stack([1 - p, p]) for p in (holes, new)]
    again = population_stability(X, X, proba_reference=columns[0], proba_new=columns[1])
    pd.testing.assert_frame_equal(again, report)
    _, many = three(rng, OLD, 100)
    report = population_stability(X, X, proba_reference=many, proba_new=many)
    assert list(report.index[2:]) == [f"predict_proba_{k}" for k in range(3)]


# --------------------------------------------------------------------- bad arguments

P2, P3 = np.full((4, 2), 0.5), np.full((4, 3), 1 / 3)


@pytest.mark.parametrize(
    ("reference", "new", "message"),
    [
        ([0.1, 1.2], [0.1], r"proba_reference must be .* in \[0, 1\]; .*0.1 to 1.2"),
        ([0.1], [-0.1, 0.2], r"proba_new must be .* from -0.1 to 0.2.*decision_func"),
        ([[0.5, 0.4]], P2, "rows of proba_reference must sum to 1; row 0 sums to 0.9"),
        (P2, [[0.5, 0.5], [0.7, 0.4]], "rows of proba_new .* row 1 sums to 1.1"),
        (P2, P3, "proba_reference has 2 columns and proba_new has 3"),
        (P2, P2[:, 0], "proba_reference is 2-D and proba_new is 1-D"),
        (P2[:, :1], P2, "proba_reference has 1 column; pass one per class"),
        (P2[None], P2, "Found array with dim 3"),
        ([], [0.1], r"Found array with 0 sample\(s\)"),
        ([0.1], [], r"Found array with 0 sample\(s\)"),
        ([0.1], [0.1, np.nan, np.nan], "proba_new has NaN in 2 of 3 rows"),
        ([0.1], [np.inf], "proba_new contains infinity"),
        ([np.nan] * 3, [0.1], "proba_reference has NaN in every row, as oof_proba_"),
        ([0.0, 0.0], [0.1], "probability 0 to the class of column 1 in every row"),
        ([1.0, 1.0], [0.1], "probability 0 to the class of column 0 in every row"),
    ],
)
def test_bad_probabilities(reference, new, message):
    with pytest.raises(ValueError, match=message):
        prior_shift(reference, new)
    if "probability 0" not in message:
        with pytest.raises(ValueError, match=message):
            population_stability(P2, P2, proba_reference=reference, proba_new=new)


@pytest.mark.parametrize(
    ("proba", "old", "new", "message"),
    [
        ([0.1], 0.1, 1.2, r"new must be shares of classes, in \[0, 1\] .*got 1.2"),
        ([0.1], np.nan, 0.2, "old must be shares of classes"),
        ([0.1], 0.0, 0.2, "old must be positive for every class"),
        ([0.1], 1.0, 0.2, "old must be positive for every class"),
        ([0.1], [0.2, 0.3, 0.5], 0.2, "old must be a number or 2 shares"),
        (P3, 0.1, 0.2, "old must be 3 shares, as proba has 3 classes; got 0.1"),
        (P3, OLD, [0.5, 0.5], "new must be 3 shares"),
        (P3, OLD, [0.5, 0.4, 0.2], "new must be shares .* summing to 1"),
        (P3, OLD, [1.1, 0.4, -0.5], r"new must be shares .* in \[0, 1\]"),
        (
            [np.nan, 1.0],
            0.1,
            0.0,
            "Row 1 of proba is certain of a class whose share in",
        ),
        ([1.5], 0.1, 0.2, r"proba must be probabilities in \[0, 1\]"),
    ],
)
def test_bad_shares(proba, old, new, message):
    with pytest.raises(ValueError, match=message):
        adjust_to_prior(proba, old, new)


FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})


@pytest.mark.parametrize(
    ("reference", "new", "message"),
    [
        (FRAME, FRAME[["b", "a"]], "in another order; pass X_new"),
        (FRAME, FRAME[["a"]], r"Only X_reference has \['b'\], and only X_new has \[\]"),
        (FRAME[["a"]], FRAME, r"Only X_reference has \[\], and only X_new has \['b'\]"),
        (
            FRAME,
            FRAME.rename(columns={"b": "c"}),
            r"Only X_reference has \['b'\], and only X_new has \['c'\]",
        ),
        (P2, P3, "X_reference has 2 columns and X_new has 3"),
        (FRAME, P3, "X_reference has 2 columns and X_new has 3"),
        (FRAME, FRAME.assign(a="x"), "Column 'a' is float64 in X_reference and .* in"),
        (FRAME, FRAME.assign(b=1), "Column 'b' is .* one is numeric and the other"),
        (FRAME[:0], FRAME, r"X_reference is empty: its shape is \(0, 2\)"),
        (P2, P2[:0], r"Found array with 0 sample\(s\)"),
        (P2[0], P2, "Expected 2D array, got 1D array"),
        (
            *[FRAME.assign(b=pd.to_datetime(["2024-01-01", "2024-01-02"]))] * 2,
            "Column 'b' holds dates",
        ),
    ],
)
def test_bad_tables(reference, new, message):
    with pytest.raises(ValueError, match=message):
        population_stability(reference, new)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_bins": 1}, "n_bins must be an integer of at least 2; got 1"),
        ({"n_bins": 2.5}, "n_bins must be an integer of at least 2; got 2.5"),
        ({"proba_new": [0.1]}, "proba_reference and proba_new need each other"),
        ({"proba_reference": [0.1]}, "proba_reference and proba_new need each other"),
    ],
)
def test_bad_parameters(given, message):
    with pytest.raises(ValueError, match=message):
        population_stability(P2, P2, **given)
