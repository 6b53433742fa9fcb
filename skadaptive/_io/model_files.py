"""Model files: an estimator, what its table looked like, and who wrote it."""

import shlex
from pathlib import Path

import pandas as pd
import sklearn

from .._version import __version__
from .atomic import replace_atomically

# What a model file may hold beside what skops itself trusts, such as scikit-learn's
# estimators: all that the default contenders are made of, name by name. To trust whole
# packages would be to trust functions of theirs that run any code they are given.
_TRUSTED = {
    "collections.OrderedDict",
    "imblearn.combine._smote_tomek.SMOTETomek",
    "imblearn.ensemble._bagging.BalancedBaggingClassifier",
    "imblearn.ensemble._forest.BalancedRandomForestClassifier",
    "imblearn.over_sampling._adasyn.ADASYN",
    "imblearn.over_sampling._random_over_sampler.RandomOverSampler",
    "imblearn.over_sampling._smote.base.SMOTE",
    "imblearn.pipeline.Pipeline",
    "imblearn.under_sampling._prototype_selection._random_under_sampler."
    "RandomUnderSampler",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "numpy.dtype",
    "skadaptive._features.categories._as_numbers",
    "skadaptive._features.categories._na_to_nan",
    "skadaptive._features.categories.categorical_columns",
    "skadaptive.classifier.AdaptiveHybridClassifier",
    "skadaptive.contenders.XGBoost",
    "skadaptive.contenders._date_columns",
    "skadaptive.contenders._date_features",
    "skadaptive.contenders._number_columns",
    "skadaptive._committee.calibration.SigmoidCalibration",
    "skadaptive._features.piecewise.PiecewiseLinearEncoding",
    "skadaptive._committee.inference.Committee",
    "skadaptive._features.scaling.RobustScaler",
    "skadaptive._features.transform.InputTransform",
    "skadaptive._committee.state.CommitteeState",
    "skadaptive._committee.state.NetworkLayout",
    "skadaptive._committee.state.OutOfFoldBuffer",
    "skadaptive._committee.state.OutOfFoldRows",
    "skadaptive._committee.state.Seeds",
    "skadaptive._committee.state.TrainingState",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
}
_FORMAT = "skadaptive model"


def save_model(path, model, X, **facts):
    """Write an estimator to a skops file.

    Parameters
    ----------
    path : str or path-like
    model : estimator
        Fitted on X.
    X : DataFrame of shape (n_samples, n_features)
        Its columns are remembered.
    **facts
        Strings, numbers and lists of them to be kept beside it.

    Raises
    ------
    ImportError
        If skops is not installed.
    ValueError
        If the model has parts that :func:`load_model` would refuse.
    """
    skops = _skops()
    columns = {str(name): _kind(X[name]) for name in X}
    content = {
        "format": _FORMAT,
        "versions": _versions(),
        "columns": columns,
        "facts": facts,
        "model": model,
    }
    with replace_atomically(path) as temporary:
        skops.dump(content, temporary)
        foreign = set(skops.get_untrusted_types(file=temporary)) - _TRUSTED
        if foreign:
            raise ValueError(
                "Only default contenders can be written to a model file: "
                f"{', '.join(sorted(foreign))} would not be read again. Use joblib."
            )


def load_model(path):
    """Read what :func:`save_model` wrote.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    dict
        ``model``, ``columns`` (name to "number", "date" or "text"), ``facts``.

    Raises
    ------
    ValueError
        If it is no such file, was written by another version, or holds types of other
        packages.
    """
    skops = _skops()
    again = "Train again with 'skadaptive compare FILE --target COLUMN --save MODEL'"
    if not Path(path).is_file():
        raise ValueError(f"There is no model file {path}.")
    try:
        types = skops.get_untrusted_types(file=path)
    except Exception as error:  # of zipfile, json or skops, as the damage may be
        raise ValueError(f"{path} is not a model file. {again}.") from error
    foreign = set(types) - _TRUSTED
    if foreign:
        raise ValueError(
            f"{path} holds types that this program does not trust: "
            f"{', '.join(sorted(foreign))}. Was it written by 'skadaptive compare'?"
        )
    # Versions come first: what another one wrote may not even load.
    written = _written_versions(path)
    if written is None:
        raise ValueError(f"{path} is not a model file of skadaptive. {again}.")
    differing = [
        f"{name} {written.get(name, 'unknown')}, and this is {version}"
        for name, version in _versions().items()
        if written.get(name) != version
    ]
    if differing:
        raise ValueError(
            f"{path} was written with {'; '.join(differing)}. {again}, or install "
            "the versions it was written with."
        )
    return skops.load(path, trusted=types)


def as_trained(frame, columns):
    """The columns that a model was trained on, in their order.

    Parameters
    ----------
    frame : DataFrame of shape (n_samples, n_columns)
    columns : dict of str to str
        As of :func:`load_model`.

    Returns
    -------
    DataFrame of shape (n_samples, n_features)

    Raises
    ------
    ValueError
        If columns are missing, are there that were not in training, or hold texts
        where there were numbers.
    """
    missing = [name for name in columns if name not in frame]
    more = [name for name in frame if name not in columns]
    if missing:
        raise ValueError(
            f"Columns that the model was trained on are missing: {', '.join(missing)}."
        )
    if more:
        raise ValueError(
            f"Columns that the model was not trained on: {', '.join(more)}. If they "
            f"do not matter: --drop {shlex.join(more)}"
        )
    frame = frame[list(columns)]
    for name, kind in columns.items():
        # A column without any value has no kind of its own.
        if kind != _kind(frame[name]) and kind != "text" and frame[name].notna().any():
            raise ValueError(
                f"Column {name} held {kind}s in training, and now it holds "
                f"{_kind(frame[name])}s, such as {frame[name].dropna().iloc[0]!r}."
            )
        if kind == "text" and _kind(frame[name]) != "text":
            frame = frame.assign(**{name: frame[name].astype("string").astype(object)})
    return frame


def _kind(column):
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    return "number" if pd.api.types.is_numeric_dtype(column) else "text"


def _versions():
    return {"skadaptive": __version__, "scikit-learn": sklearn.__version__}


def _written_versions(path):
    """Versions in a file, from its schema alone; None if it has none."""
    import json
    import zipfile

    with zipfile.ZipFile(path) as archive:
        schema = json.loads(archive.read("schema.json"))
    try:
        content = schema["content"]
        if json.loads(content["format"]["content"]) != _FORMAT:
            return None
        versions = content["versions"]["content"]
        return {name: json.loads(versions[name]["content"]) for name in _versions()}
    except (KeyError, TypeError, ValueError):
        return None


def _skops():
    try:
        import skops.io
    except ImportError as error:
        raise ImportError(
            'Model files need skops: pip install "skadaptive[compare]".'
        ) from error
    return skops.io
