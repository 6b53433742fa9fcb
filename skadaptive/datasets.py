"""Real data with a rare class.

:func:`load_rare` makes scikit-learn's bundled sets rare and needs no network;
:func:`fetch_credit_card_fraud` brings the best-known fraud set, or reads it from a
file that is already there. Both return what scikit-learn's loaders return, with
``target == 1`` for the rare class.
"""

import numpy as np
from sklearn.utils import Bunch

# Bundled loader, its label that becomes rare, how many of its rows stay, and names.
_RARE = {
    "digits": ("load_digits", 8, 60, ["other digit", "eight"]),
    "breast_cancer": ("load_breast_cancer", 0, 30, ["benign", "malignant"]),
}
_FRAUD_FEATURES = [*(f"V{i}" for i in range(1, 29)), "Amount"]


def load_rare(name="breast_cancer", *, return_X_y=False, as_frame=False):
    """Load a bundled data set of scikit-learn, made rare.

    Most rows of one class are taken out with
    :func:`imblearn.datasets.make_imbalance`; the same ones at every call.

    ==================  ============  =====  ========  ==========
    name                rare class    rows   features  prevalence
    ==================  ============  =====  ========  ==========
    ``breast_cancer``   malignant     387    30        7.8 %
    ``digits``          the digit 8   1,683  64        3.6 %
    ==================  ============  =====  ========  ==========

    Parameters
    ----------
    name : {"breast_cancer", "digits"}, default="breast_cancer"
        Which set.
    return_X_y : bool, default=False
        Return ``(data, target)`` alone.
    as_frame : bool, default=False
        Return pandas objects.

    Returns
    -------
    sklearn.utils.Bunch
        ``data`` (n_samples, n_features), ``target`` (n_samples,) of 0 and 1 (rare),
        ``feature_names``, ``target_names``, ``DESCR``, and ``frame``, data and
        target together, if ``as_frame``.
    (data, target) if ``return_X_y``

    Raises
    ------
    ValueError
        If there is no such set.

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
    # make_imbalance sorts by class; rows in random order suit every splitter.
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
        f"({target_names[1]}), target 1, and every row of the rest, target 0.\n\n"
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
    data_home=None, path=None, *, return_X_y=False, as_frame=False
):
    """Fetch the credit card fraud set: 284,807 payments, 492 of them frauds.

    Payments of European card holders in two days of September 2013 (Dal Pozzolo et
    al., 2015, "Calibrating Probability with Undersampling for Unbalanced
    Classification"): 28 principal components and the amount. The column ``Time``,
    seconds since the first payment in the file, is left out.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Where scikit-learn caches what it downloads; None is its own default.
    path : str or path-like, default=None
        A CSV file with the columns ``V1`` to ``V28``, ``Amount`` and ``Class``, such
        as Kaggle's ``creditcard.csv``. Nothing is downloaded then. None fetches set
        1597 of OpenML.
    return_X_y : bool, default=False
        Return ``(data, target)`` alone.
    as_frame : bool, default=False
        Return pandas objects.

    Returns
    -------
    sklearn.utils.Bunch
        As :func:`load_rare` does; ``target`` is 1 for a fraud.
    (data, target) if ``return_X_y``

    Raises
    ------
    OSError
        If the set cannot be downloaded, or there is no file at ``path``.
    ValueError
        If a column is missing.
    """
    import pandas as pd

    if path is not None:
        frame = pd.read_csv(path)
    else:
        frame = _fetch_openml(data_home)
    missing = [name for name in (*_FRAUD_FEATURES, "Class") if name not in frame]
    if missing:
        raise ValueError(
            f"Not the credit card fraud set: there is no column {', '.join(missing)}."
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


def _fetch_openml(data_home):
    from sklearn.datasets import fetch_openml

    try:
        return fetch_openml(
            data_id=1597, data_home=data_home, as_frame=True, parser="auto"
        ).frame
    except OSError as error:
        raise OSError(
            "The credit card fraud set could not be downloaded from OpenML "
            f"({error}). If you have the file, say creditcard.csv from Kaggle, pass "
            "path=; otherwise try again on line, or use load_rare()."
        ) from error
