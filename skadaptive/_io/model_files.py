"""Model files: an estimator, the columns and the target of its training, versions."""

import json
import shlex
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from .._packages import installed_versions, require
from .._typing import Estimator, FilePath, Label
from .atomic import replace_atomically
from .columns import ColumnFormat

# Types that a model file may hold beside those that skops itself trusts, such as
# scikit-learn's estimators: the parts of the default contenders, name by name. Trust in
# whole packages would include functions that run any code they are given.
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
    "skadaptive._features.text.TextEncoder",
    "skadaptive._features.text.text_columns",
    "skadaptive.classifier.AdaptiveHybridClassifier",
    "skadaptive.contenders.XGBoost",
    "skadaptive.contenders._category_columns",
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
    "skadaptive._committee.state.NetworkOrigin",
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
# A file is read only with the versions of these, and of this package, that wrote it.
_VERSIONED_PACKAGES = ("scikit-learn",)


@dataclass(frozen=True)
class ModelFacts:
    """What a model file records about the comparison that the model won.

    Attributes
    ----------
    name : str
        Name of the contender.
    target : str
        Column with the classes.
    positive : label
        Value of the target that is the rare class.
    others_together : bool
        Whether all other values of the target were made one class.
    unused_columns : list of str
        Columns of the training table that were neither features nor the target.
    id_column : str or None
        The column of them that names the rows.
    """

    name: str
    target: str
    positive: Label
    others_together: bool
    unused_columns: list[str]
    id_column: str | None = None


@dataclass(frozen=True)
class SavedModel:
    """Content of a model file.

    Attributes
    ----------
    model : fitted estimator
    columns : dict of str to ColumnFormat
        Features of the training, in their order, and how they were written.
    facts : ModelFacts
    """

    model: Estimator
    columns: dict[str, ColumnFormat]
    facts: ModelFacts


def save_model(
    path: FilePath,
    model: Estimator,
    columns: dict[str, ColumnFormat],
    facts: ModelFacts,
) -> None:
    """Write an estimator to a skops file.

    Parameters
    ----------
    path : str or path-like
        An existing file is replaced once the new one is complete.
    model : estimator
        Fitted.
    columns : dict of str to ColumnFormat
        Features that it was fitted on.
    facts : ModelFacts

    Raises
    ------
    ImportError
        If skops is not installed.
    ValueError
        If the model has parts that :func:`load_model` would refuse.
    """
    require("skops", purpose="A model file")
    from skops import io

    content = {
        "format": _FORMAT,
        "versions": installed_versions(_VERSIONED_PACKAGES),
        "columns": {name: column.to_json() for name, column in columns.items()},
        "facts": asdict(facts),
        "model": model,
    }
    with replace_atomically(path) as temporary:
        io.dump(content, temporary)
        foreign = set(io.get_untrusted_types(file=temporary)) - _TRUSTED
        if foreign:
            raise ValueError(
                "Only default contenders can be written to a model file: "
                f"{', '.join(sorted(foreign))} would not be read again. Use joblib."
            )


def load_model(path: FilePath) -> SavedModel:
    """Read a file that :func:`save_model` wrote.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    SavedModel

    Raises
    ------
    ImportError
        If skops is not installed.
    ValueError
        If it is no such file, was written with other versions of this package or of
        scikit-learn, or holds types that no default contender has.
    """
    require("skops", purpose="A model file")
    from skops import io

    again = "Write the model again with 'skadaptive compare --save'"
    if not Path(path).is_file():
        raise ValueError(f"There is no model file {path}. {again}.")
    try:
        types = io.get_untrusted_types(file=path)
    # zipfile, json or skops raise different errors, depending on the damage.
    except Exception as error:
        raise ValueError(f"{path} is not a model file. {again}.") from error
    foreign = set(types) - _TRUSTED
    if foreign:
        raise ValueError(
            f"{path} holds types that this program does not trust: "
            f"{', '.join(sorted(foreign))}. Was it written by 'skadaptive compare'?"
        )
    # Versions are compared first: the rest of another version's file may not load.
    written = _written_versions(path)
    if written is None:
        raise ValueError(f"{path} is not a model file of skadaptive. {again}.")
    differing = [
        f"{name} {written.get(name, 'unknown')}, and this is {version}"
        for name, version in installed_versions(_VERSIONED_PACKAGES).items()
        if written.get(name) != version
    ]
    if differing:
        raise ValueError(
            f"{path} was written with {'; '.join(differing)}. {again}, or install "
            "the versions that wrote it."
        )
    content = io.load(path, trusted=types)
    facts = ModelFacts(**content["facts"])
    columns = {
        name: ColumnFormat.from_json(column)
        for name, column in content["columns"].items()
    }
    return SavedModel(content["model"], columns, facts)


def features_of(frame: pd.DataFrame, saved: SavedModel) -> pd.DataFrame:
    """Features of the training, in their order.

    Parameters
    ----------
    frame : DataFrame of shape (n_samples, n_columns)
        Read with the formats of the model.
    saved : SavedModel

    Returns
    -------
    DataFrame of shape (n_samples, n_features)

    Raises
    ------
    ValueError
        If columns are missing, or were not in the training table.
    """
    missing = [name for name in saved.columns if name not in frame]
    extra = [name for name in frame if name not in saved.columns]
    if missing:
        raise ValueError(
            f"Columns that the model was trained on are missing: {', '.join(missing)}."
        )
    if extra:
        raise ValueError(
            f"Columns that the model was not trained on: {', '.join(extra)}. To leave "
            f"them out: --drop {shlex.join(extra)}"
        )
    return frame[list(saved.columns)]


def _written_versions(path: FilePath) -> dict[str, str] | None:
    """Versions that a file names, read from its schema alone; None if it has none."""
    with zipfile.ZipFile(path) as archive:
        schema = json.loads(archive.read("schema.json"))
    try:
        content = schema["content"]
        if json.loads(content["format"]["content"]) != _FORMAT:
            return None
        versions = content["versions"]["content"]
        return {name: json.loads(entry["content"]) for name, entry in versions.items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
