"""Real data with a rare class.

:func:`load_rare` makes a class of scikit-learn's bundled data sets rare and needs no
network. :func:`fetch_credit_card_fraud` downloads the best-known fraud data set, or
reads it from a file. Both return what scikit-learn's loaders return, with
``target == 1`` for the rare class.
"""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from ._typing import FilePath

__all__ = ["fetch_credit_card_fraud", "load_rare"]

# Loader, label of the class that becomes rare, how many of its rows are kept, and the
# names of the frequent and the rare class.
_RARE = {
    "digits": ("load_digits", 8, 60, ["other digit", "eight"]),
    "breast_cancer": ("load_breast_cancer", 0, 30, ["benign", "malignant"]),
}
_FRAUD_FEATURES = [*(f"V{i}" for i in range(1, 29)), "Amount"]


def load_rare(
    name: str = "breast_cancer", *, return_X_y: bool = False, as_frame: bool = False
) -> Any:
    """Load a bundled data set of scikit-learn in which one class is made rare.

    Most rows of that class are removed with :func:`imblearn.datasets.make_imbalance`,
    the same ones in every call.

    ==================  ============  =====  ========  ==========
    name                rare class    rows   features  prevalence
    ==================  ============  =====  ========  ==========
    ``breast_cancer``   malignant     387    30        7.8 %
    ``digits``          the digit 8   1,683  64        3.6 %
    ==================  ============  =====  ========  ==========

    Parameters
    ----------
    name : {"breast_cancer", "digits"}, default="breast_cancer"
        Name of the data set.
    return_X_y : bool, default=False
        Whether to return the tuple ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether ``data`` and ``target`` are pandas objects.

    Returns
    -------
    sklearn.utils.Bunch or tuple of (data, target)
        ``data`` (n_samples, n_features), ``target`` (n_samples,) of 0 and 1 (rare),
        ``feature_names``, ``target_names``, ``DESCR``, and ``frame``, which holds data
        and target together if ``as_frame``.

    Raises
    ------
    ValueError
        If there is no data set of that name.

    Examples
    --------
    >>> from skadaptive.datasets import load_rare
    >>> X, y = load_rare("digits", return_X_y=True)
    >>> X.shape, int(y.sum())
    ((1683, 64), 60)
    """
    if name not in _RARE:
        raise ValueError(f"name must be one of {sorted(_RARE)}; got {name!r}.")
    import sklearn.datasets
    from imblearn.datasets import make_imbalance

    loader, label, n_rare, target_names = _RARE[name]
    source = getattr(sklearn.datasets, loader)(as_frame=as_frame)
    target = (source.target == label).astype(int)
    data, target = make_imbalance(
        source.data, target, sampling_strategy={1: n_rare}, random_state=0
    )
    # make_imbalance sorts by class; splitters that do not shuffle need random order.
    order = np.random.RandomState(0).permutation(len(target))
    if as_frame:
        data = data.iloc[order].reset_index(drop=True)
        target = target.iloc[order].reset_index(drop=True).rename("target")
    else:
        data, target = data[order], target[order]
    if return_X_y:
        return data, target
    description = (
        f"scikit-learn's {name} with {n_rare} rows of the rare class "
        f"({target_names[1]}), target 1, and all other rows, target 0.\n\n"
    )
    return Bunch(
        data=data,
        target=target,
        frame=data.assign(target=target) if as_frame else None,
        feature_names=list(source.feature_names),
        target_names=np.array(target_names),
        DESCR=description + source.DESCR,
    )


def fetch_credit_card_fraud(
    data_home: FilePath | None = None,
    path: FilePath | None = None,
    *,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Fetch the credit card fraud data set: 284,807 payments, 492 of them frauds.

    European card holders made these payments on two days of September 2013 (Dal Pozzolo
    et al., 2015, "Calibrating Probability with Undersampling for Unbalanced
    Classification"). The features are 28 principal components and the amount. The
    column ``Time``, seconds since the first payment in the file, is left out.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder in which scikit-learn caches downloads; None is scikit-learn's default.
    path : str or path-like, default=None
        CSV file with the columns ``V1`` to ``V28``, ``Amount`` and ``Class``, such as
        Kaggle's ``creditcard.csv``, to read instead of a download. None downloads data
        set 1597 of OpenML.
    return_X_y : bool, default=False
        Whether to return the tuple ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether ``data`` and ``target`` are pandas objects.

    Returns
    -------
    sklearn.utils.Bunch or tuple of (data, target)
        See :func:`load_rare`; ``target`` is 1 for a fraud.

    Raises
    ------
    OSError
        If the data set cannot be downloaded, or there is no file at ``path``.
    ValueError
        If a column is missing.
    """
    frame = _fetch_openml(data_home) if path is None else pd.read_csv(path)
    missing = [name for name in (*_FRAUD_FEATURES, "Class") if name not in frame]
    if missing:
        raise ValueError(
            "This is not the credit card fraud data set: there is no column "
            f"{', '.join(missing)}. The columns V1 to V28, Amount and Class are needed."
        )
    data = frame[_FRAUD_FEATURES].astype(float)
    target = frame["Class"].astype(int).rename("target")
    result = Bunch(
        data=data,
        target=target,
        frame=data.assign(target=target) if as_frame else None,
        feature_names=list(_FRAUD_FEATURES),
        target_names=np.array(["legitimate", "fraud"]),
        DESCR=fetch_credit_card_fraud.__doc__,
    )
    if not as_frame:
        result.data, result.target = data.to_numpy(), target.to_numpy()
    return (result.data, result.target) if return_X_y else result


def _fetch_openml(data_home: FilePath | None) -> pd.DataFrame:
    from sklearn.datasets import fetch_openml

    try:
        return fetch_openml(
            data_id=1597, data_home=data_home, as_frame=True, parser="auto"
        ).frame
    except OSError as error:
        raise OSError(
            "The credit card fraud data set could not be downloaded from OpenML "
            f"({error}). If you have a file of it, such as creditcard.csv from Kaggle, "
            "pass path=; otherwise try again with a network connection, or use "
            "load_rare()."
        ) from error
