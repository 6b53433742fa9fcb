"""Models of other packages, by skops, and the versions that they need.

skops writes the attributes of objects; reading sets them again and calls no function
that is not trusted. The names of these attributes change between releases, so that such
a model opens only under the versions that wrote it.
"""

import io as streams
import json
import zipfile
from typing import Any

from .._packages import distribution, module_versions, require
from .._typing import Estimator
from .container import AGAIN, check_unpacked_size

_PURPOSE = "A model file of this contender"

# Types of an AdaptiveHybridClassifier beside those that skops itself trusts. None of
# them runs code that it is given.
_OURS = {
    "skadaptive._committee.calibration.IsotonicCalibration",
    "skadaptive._committee.calibration.SigmoidCalibration",
    "skadaptive._committee.gathered.GatheredRows",
    "skadaptive._committee.inference.Committee",
    "skadaptive._committee.seen_rows.SeenRows",
    "skadaptive._committee.state.CommitteeState",
    "skadaptive._committee.state.NetworkLayout",
    "skadaptive._committee.state.NetworkOrigin",
    "skadaptive._committee.state.OutOfFoldBuffer",
    "skadaptive._committee.state.OutOfFoldRows",
    "skadaptive._committee.state.Seeds",
    "skadaptive._committee.state.TrainingState",
    "skadaptive._features.categories._as_numbers",
    "skadaptive._features.categories._na_to_nan",
    "skadaptive._features.piecewise.PiecewiseLinearEncoding",
    "skadaptive._features.scaling.RobustScaler",
    "skadaptive._features.transform.InputTransform",
    "skadaptive.classifier.AdaptiveHybridClassifier",
    "skadaptive.thresholds.expected_cost",
    "skadaptive.thresholds.f1",
    "skadaptive.thresholds.precision_at_recall",
    "skadaptive.thresholds.recall_at_precision",
}

# Types that a model may hold beside those that skops itself trusts, such as
# scikit-learn's estimators: the parts of the default contenders, name by name. Trust in
# whole packages would include functions that run any code they are given.
TRUSTED = _OURS | {
    "catboost.core.CatBoostClassifier",
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
    "skadaptive._features.text.TextEncoder",
    "skadaptive._features.text.text_columns",
    "skadaptive._tuned_trees.TunedTrees",
    "skadaptive.contenders.CatBoost",
    "skadaptive.contenders.XGBoost",
    "skadaptive.contenders._category_columns",
    "skadaptive.contenders._checked_numbers",
    "skadaptive.contenders._date_columns",
    "skadaptive.contenders._date_features",
    "skadaptive.contenders._number_columns",
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


def trusted_types() -> list[str]:
    """The types that skops has to trust to read an AdaptiveHybridClassifier.

    For what writes models by skops, such as MLflow, which asks for this list. A fitted
    classifier holds no other types, unless a parameter does: a function, a ``sampler``
    or a splitter. Add their names where you trust them. Callbacks are best taken off
    before, by ``set_callbacks()``.

    Returns
    -------
    list of str
        Names of types and functions of this package, sorted.

    Examples
    --------
    >>> from skadaptive import trusted_types
    >>> "skadaptive.classifier.AdaptiveHybridClassifier" in trusted_types()
    True
    """
    return sorted(_OURS)


def dump_other(model: Estimator) -> bytes:
    """A fitted model as the bytes of a skops file.

    Raises
    ------
    ImportError
        If skops is not installed.
    ValueError
        If the model has parts that :func:`load_other` would refuse.
    """
    require("skops", purpose=_PURPOSE)
    from skops import io

    data = io.dumps(model)
    foreign = foreign_types(data)
    if foreign:
        raise ValueError(
            "Only default contenders can be written to a model file: "
            f"{', '.join(foreign)} would not be read again. Use joblib."
        )
    return data


def foreign_types(data: bytes) -> list[str]:
    """Names of types in a skops file that no default contender has.

    Raises
    ------
    ImportError
        If skops is not installed.
    """
    require("skops", purpose=_PURPOSE)
    from skops import io

    with zipfile.ZipFile(streams.BytesIO(data)) as archive:
        check_unpacked_size(archive, len(data))
    return sorted(set(io.get_untrusted_types(data=data)) - TRUSTED)


def versions_needed(data: bytes) -> dict[str, str]:
    """Versions of all packages whose types a skops file holds, by name to import."""
    with zipfile.ZipFile(streams.BytesIO(data)) as archive:
        schema = json.loads(archive.read("schema.json"))
    return module_versions({"skadaptive", *_modules(schema)})


def check_versions(needed: dict[str, str], path: Any) -> None:
    """Refuse a model that was written with other versions than the installed ones.

    Raises
    ------
    ValueError
        It names each package whose version differs.
    """
    here = module_versions(needed)
    differing = [
        f"{distribution(name)} {version}, and this is {here.get(name, 'not installed')}"
        for name, version in needed.items()
        if here.get(name) != version
    ]
    if differing:
        raise ValueError(
            f"{path} was written with {'; '.join(differing)}. {AGAIN}, or install the "
            "versions that wrote it."
        )


def load_other(data: bytes) -> Estimator:
    """The inverse of :func:`dump_other`; types that are not known are refused.

    Parameters
    ----------
    data : bytes
    """
    from skops import io

    return io.loads(data, trusted=sorted(TRUSTED))


def _modules(schema: Any) -> set[str]:
    """First parts of the names of all modules in a skops schema."""
    if isinstance(schema, list):
        return set().union(*map(_modules, schema))
    if not isinstance(schema, dict):
        return set()
    found = set().union(*map(_modules, schema.values()))
    module = schema.get("__module__")
    return found | {module.partition(".")[0]} if isinstance(module, str) else found
