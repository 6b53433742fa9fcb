"""Categorical features."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars
import pytest
from imblearn.over_sampling import SMOTENC
from imblearn.under_sampling import RandomUnderSampler
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_score

from skadaptive._features.categories import (
    FittedCategories,
    check_same_categories,
    encode,
    encoded_columns,
    make_encoder,
    unseen_columns,
    without_categories,
)

COLOURS = np.array(["red", "green", "blue"])


@pytest.fixture(scope="module")
def table():
    """A frame in which rare rows are mostly blue and large, and its labels."""
    rng = np.random.default_rng(0)
    colour, size = rng.integers(3, size=600), rng.normal(size=600)
    odds = 3.0 * (colour == 2) + 1.5 * size - 4
    y = (rng.random(600) < 1 / (1 + np.exp(-odds))).astype(int)
    X = pd.DataFrame({"size": size, "colour": COLOURS[colour], "age": rng.random(600)})
    return X, y


def one_hot(X):
    flags = [(X["colour"] == name).astype(float) for name in np.sort(COLOURS)]
    return np.column_stack([X["size"], X["age"], *flags])


@pytest.mark.parametrize("dtype", ["object", "category", "string"])
def test_categories_are_columns_of_their_own(dtype, quick, table):
    X, y = table
    model = quick().fit(X.astype({"colour": dtype}), y)
    plain = quick().fit(one_hot(X), y)
    assert_array_equal(model.oof_proba_, plain.oof_proba_)
    assert_array_equal(
        model.predict_proba(X.astype({"colour": dtype})),
        plain.predict_proba(one_hot(X)),
    )
    assert model.n_features_in_ == 3
    assert_array_equal(model.feature_names_in_, X.columns)
    assert plain.feature_encoder_ is None


@pytest.mark.parametrize(
    "chosen",
    [
        "from_dtype",
        ["colour"],
        np.array(["colour"], dtype=object),
        [1],
        [np.int64(1), 1],
        [False, True, False],
    ],
)
def test_every_form_of_the_parameter_names_the_same_columns(chosen, table):
    X, _ = table
    encoder = make_encoder(chosen, X)
    assert encoded_columns(encoder) == [1]
    numbered = X.rename(columns={name: i for i, name in enumerate(X)})
    for same in (X, X.to_numpy(), numbered, X.to_numpy().tolist()):
        assert_array_equal(encode(encoder, same), one_hot(X))
    numbers = without_categories(encoder, X)
    assert_array_equal(numbers, X[["size", "age"]])
    assert_array_equal(without_categories(encoder, X.to_numpy()), numbers)
    assert_array_equal(without_categories(encoder, X.to_numpy().tolist()), one_hot(X))


@pytest.mark.parametrize("chosen", [None, [], [False] * 3])
def test_without_categories_there_is_no_encoder(chosen, table):
    assert make_encoder(chosen, table[0]) is None and encoded_columns(None) == []


@pytest.mark.parametrize(
    "chosen",
    [[3], [-1], ["color"], [True, False], [True] * 4, [[1]], [[False, True, False]]],
)
def test_columns_that_are_not_there_are_refused(chosen, table):
    with pytest.raises(ValueError, match="their numbers from 0 to 2, or a mask of 3"):
        make_encoder(chosen, table[0])


def test_columns_without_a_known_category_are_found(table):
    encoder = make_encoder("from_dtype", table[0])
    rows = table[0].iloc[:5].assign(colour=["pink", None, "grey", "teal", "pink"])
    found = unseen_columns(encoder, rows)
    assert list(found) == [1] and [found[1][0], *found[1][2:]] == ["pink", "grey"]
    assert unseen_columns(encoder, rows.to_numpy().tolist()).keys() == {1}
    assert unseen_columns(encoder, rows.assign(colour="red")) == {}


def test_an_encoder_is_made_again_from_plain_data():
    """With 70 and 80 categories, of which the rarest 7 and 17 share a column."""
    colours, shapes = [f"c{i:02}" for i in range(70)], [f"s{i:02}" for i in range(80)]
    # The more frequent a category is, the later its name.
    shape = np.repeat(shapes, np.arange(1, 81)).astype(object)
    colour = np.repeat(colours, np.arange(1, 71))
    colour = np.r_[colour, np.full(len(shape) - len(colour), "c69")].astype(object)
    frame = pd.DataFrame({"colour": colour, "size": 1.0, "shape": shape})
    encoder = make_encoder("from_dtype", frame)
    plain = FittedCategories.of(encoder)
    assert plain.pooled == [list(range(7)), list(range(17))]
    assert (plain.n_features, plain.categorical) == (3, [0, 2])
    assert plain.names == ["colour", "size", "shape"]
    later = pd.DataFrame({"colour": [*colours, *["new"] * 12], "size": np.arange(82.0)})
    later["shape"] = [*shapes, "new", None]
    columns = encode(plain.encoder(), later)
    assert_array_equal(columns, encode(encoder, later))
    assert columns.shape == (82, 1 + 64 + 64)
    # The last column is that of the rare ones, which unseen ones join.
    assert_array_equal(np.flatnonzero(columns[:, -1]), [*range(17), 80, 81])


def test_categories_help(quick, table):
    X, y = table
    parameters = {"max_epochs": 15, "learning_rate": 0.05}
    score = [
        cross_val_score(quick(**parameters), part, y, scoring="average_precision", cv=3)
        for part in (X, X.drop(columns="colour"))
    ]
    assert np.mean(score[0]) > np.mean(score[1]) + 0.1


@pytest.mark.parametrize("chosen", [["colour"], [1, 1], [False, True, False]])
def test_categories_that_are_named(chosen, quick, table):
    X, y = table
    codes = X.assign(colour=X["colour"].map({"blue": 0, "green": 1, "red": 2}))
    model = quick(categorical_features=chosen).fit(codes, y)
    assert_array_equal(model.oof_proba_, quick().fit(one_hot(X), y).oof_proba_)
    # As numbers they are something else.
    numbers = quick().fit(codes, y)
    assert numbers.feature_encoder_ is None
    assert np.abs(model.oof_proba_ - numbers.oof_proba_).max() > 0.01
    if chosen != ["colour"]:
        array = quick(categorical_features=chosen).fit(codes.to_numpy(), y)
        assert_array_equal(array.oof_proba_, model.oof_proba_)


def test_polars(quick, table):
    X, y = table
    model = quick().fit(polars.DataFrame(X.to_dict("list")), y)
    assert_array_equal(model.oof_proba_, quick().fit(X, y).oof_proba_)


def test_unseen_and_missing_categories(quick, table):
    X, y = table
    holes = X.assign(colour=X["colour"].where(np.arange(600) % 5 > 0, None))
    model = quick().fit(holes, y)
    assert model.feature_encoder_.transform(holes).shape[1] == 6
    new = X.iloc[[0] * 4].assign(colour=["violet", "red", None, np.nan])
    assert_array_equal(model.feature_encoder_.transform(new)[0, 2:], 0)
    violet, red, none, nan = model.predict_proba(new)[:, 1]
    assert none == nan and len({violet, red, none}) == 3


def test_missing_values_of_pandas(quick, table):
    X, y = table
    X = X.assign(
        colour=X["colour"].astype("string").mask(np.arange(600) % 7 == 0),
        age=(10 * X["age"]).round().astype("Int64").mask(np.arange(600) % 9 == 0),
    )
    model = quick().fit(X, y)
    assert model.feature_encoder_.transform(X).shape[1] == 6
    # They are the missing values of NumPy and None.
    colour = X["colour"].astype(object).where(X["colour"].notna(), None)
    plain = X.assign(colour=colour, age=X["age"].astype("float64"))
    assert_array_equal(quick().fit(plain, y).oof_proba_, model.oof_proba_)
    assert_array_equal(model.predict_proba(plain), model.predict_proba(X))


def test_only_categories(quick, table):
    X, y = table
    model = quick(max_epochs=10).fit(X[["colour"]], y)
    proba = model.predict_proba(pd.DataFrame({"colour": COLOURS}))[:, 1]
    assert proba.argmax() == 2


def test_rare_categories_share_a_column(quick, rng):
    names = np.array([f"c{i:03d}" for i in range(200)])
    X = pd.DataFrame({"code": names[np.minimum(rng.geometric(0.02, 3000), 200) - 1]})
    y = (rng.random(3000) < 0.1).astype(int)
    model = quick(max_epochs=1).fit(X, y)
    encoded = model.feature_encoder_.transform(X)
    assert encoded.shape[1] == 64
    assert_array_equal(encoded.sum(axis=1), 1)
    rare = X["code"].map(X["code"].value_counts()) <= 2
    assert (encoded[rare, -1] == 1).all()


@pytest.mark.parametrize(
    "sampler",
    [RandomUnderSampler(), SMOTENC(categorical_features=["colour"], k_neighbors=2)],
)
def test_samplers_see_the_categories(sampler, quick, table):
    X, y = table
    model = quick(sampler=sampler, max_epochs=20, n_bins=None).fit(X, y)
    assert average_precision_score(y, model.oof_proba_[:, 1]) > 3 * y.mean()


def test_everything_else_takes_them(quick, table):
    X, y = table
    model = quick().fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    model.partial_fit(X[:100], y[:100])
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    numbers = model.feature_encoder_.transform(X)
    assert_allclose(model.model_(numbers), model.predict_proba(X), atol=2e-6)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X[["colour", "size", "age"]])
    with pytest.raises(ValueError, match="yet now missing"):
        model.predict(X[["size", "colour"]])


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["taste"], r"names of columns.*\['taste'\]"),
        (["size", "taste"], r"names of columns.*; got \['taste'\]"),
        ([3], r"numbers from 0 to 2.*\[3\]"),
        ([True], "mask of 3"),
        ("all", "from_dtype"),
    ],
)
def test_bad_categorical_features(chosen, message, quick, table):
    X, y = table
    with pytest.raises(ValueError, match=message):
        quick(categorical_features=chosen).fit(X, y)
    message = r"'colour' holds texts \('\w+'\), and is none .*=\['colour'\]"
    for container in (pd.DataFrame, polars.DataFrame):
        with pytest.raises(ValueError, match=message):
            quick(categorical_features=None).fit(container(X.to_dict("list")), y)
    with pytest.raises(ValueError, match=r"an array has no column types: .*=\[1\]"):
        quick(categorical_features=[0]).fit(X.to_numpy(), y)


@pytest.mark.parametrize("first", [None, ["colour"], [1]])
def test_training_goes_on_with_the_same_categories_alone(first, table):
    X, _ = table
    encoder = make_encoder(first, X)
    same = [["colour"], [1], [False, True, False]] if first else [None, []]
    others = [None, [], ["age"], ["colour", "age"], [2]] if first else [["age"], [2]]
    for chosen in ("from_dtype", *same):
        check_same_categories(chosen, encoder, X)
    before = r"\[1\]" if first else r"\[\]"
    for chosen in others:
        with pytest.raises(ValueError, match=f"cannot go on.* was {before}"):
            check_same_categories(chosen, encoder, X)
    # Names say nothing of an array, and its columns have none.
    check_same_categories(["age"], encoder, X.to_numpy(object))
    with pytest.raises(ValueError, match="cannot go on with other categories"):
        check_same_categories([2], encoder, X.to_numpy(object))


def test_a_stream_refuses_other_categories(quick, table):
    X, y = table
    model = quick(categorical_features=["colour"]).partial_fit(X, y, classes=[0, 1])
    model.set_params(categorical_features=["colour", "age"])
    with pytest.raises(ValueError, match=r"cannot go on.* was \[1\].* and is \[1, 2\]"):
        model.partial_fit(X, y)
    assert model.set_params(categorical_features=[1]).partial_fit(X, y) is model


# ------------------------------------------------------------------ never seen before


@pytest.mark.parametrize("dtype", ["object", "category", "string"])
def test_a_column_without_any_known_category_is_named(dtype, quick, table):
    X, y = table
    model = quick().fit(X.astype({"colour": dtype}), y)
    for colour in ("violet", None):
        other = X.assign(colour=pd.Series([colour] * 600, dtype=dtype))
        shows = "'violet'" if colour else "nan|None|NA"
        with pytest.warns(UserWarning, match=f"Column 'colour' .*600 rows.*({shows})"):
            model.predict(other)
    # One row is enough to say nothing, and a few rows may well have none.
    other = X.assign(colour=pd.Series(["violet"] * 600, dtype="str"))
    model.predict(other[:9])
    other.loc[599, "colour"] = "red"
    model.predict(other)


def test_numbers_are_no_texts(quick, table):
    """A column of codes that was read as texts in one file, as numbers in another."""
    X, y = table
    codes = np.arange(600) % 3
    by_text = quick().fit(X.assign(colour=codes.astype(str)), y)
    with pytest.warns(UserWarning, match="Column 'colour' .* type, as 1 is not '1'"):
        by_text.predict(X.assign(colour=pd.Series(codes, dtype=object)))
    array = X.to_numpy(object)
    by_number = quick(categorical_features=[1]).fit(array, y)
    array[:, 1] = "violet"
    with pytest.warns(UserWarning, match="Column 1 has no category"):
        by_number.predict(array)


# ------------------------------------------------------------------------- no warnings


def tables():
    """The same rows in containers with names of columns and without."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 2)), columns=["size", "age"])
    X["colour"] = COLOURS[rng.integers(3, size=300)]
    return {
        "pandas": X,
        "polars": polars.DataFrame({name: X[name].tolist() for name in X}),
        "array": X.to_numpy(object),
        "numbers as names": X.set_axis(range(3), axis=1),
    }


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
@pytest.mark.parametrize("fitted", list(tables()))
def test_no_warning_about_what_is_inside(fitted, output, quick):
    """Whatever the user set for transformers, and in whatever container rows come."""
    y = np.arange(300) % 5 == 0
    X = tables()[fitted]
    model = quick(categorical_features=[2], sampler=RandomUnderSampler(), max_epochs=2)
    with config_context(transform_output=output):
        model.fit(X, y, X_val=X, y_val=y)  # a warning would be an error
        expected = model.predict_proba(X)
        quick(categorical_features=[2]).partial_fit(X, y, classes=[False, True])
        for other in tables().values():
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                assert_array_equal(model.predict_proba(other), expected)
            # scikit-learn's own, that names came or went.
            assert len(told) <= 1
            for warning in told:
                assert "AdaptiveHybridClassifier was fitted with" in str(
                    warning.message
                )
