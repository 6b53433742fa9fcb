"""What the command and the server share when they apply a saved model."""

from collections.abc import Sequence

from ._assessment.threshold_counts import ScoredRows, cost_by_threshold, least_cost
from ._io.target import label_of
from ._report.formatting import amount
from ._saving.model_files import SavedModel


def rare_index(saved: SavedModel) -> int:
    """Index of the rare class among the classes of a saved model."""
    classes = list(saved.model.classes_)
    return classes.index(label_of(classes, saved.facts.positive))


def chosen_threshold(
    saved: SavedModel,
    path: str,
    threshold: float | None,
    costs: Sequence[float] | None,
) -> tuple[float | None, str | None]:
    """The threshold that a user asks for, directly or by costs.

    Parameters
    ----------
    saved : SavedModel
    path : str
        Of the model file, for messages.
    threshold : float or None
    costs : sequence of two floats or None
        Of a false alarm and of a miss.

    Returns
    -------
    threshold : float or None
        None if the user asks for none, so that the model's own is used.
    note : str or None
        How it was found.

    Raises
    ------
    ValueError
        If the model does not have two classes, or its file has no out-of-fold
        probabilities, which costs need.
    """
    if threshold is None and costs is None:
        return None, None
    n_classes = len(saved.model.classes_)
    if n_classes != 2:
        raise ValueError(
            f"--threshold and --costs need a model of two classes; {saved.facts.name} "
            f"has {n_classes}."
        )
    if costs is None:
        return threshold, None
    known = saved.out_of_fold
    if known is None:
        raise ValueError(
            f"{path} holds no out-of-fold probabilities, from which --costs finds a "
            "threshold. Write it again with 'skadaptive compare --save', or choose one "
            "with --threshold."
        )
    rows = ScoredRows(known.y, known.probability, known.sample_weight)
    alarm, miss = costs
    by_kind = {"miss": miss, "alarm": alarm}
    found, cost = least_cost(rows, by_kind)
    every, none = cost_by_threshold(rows.constant_counts(), by_kind)
    return found, (
        f"--threshold {found} has the least cost on the {len(rows.y):,} rows of the "
        f"training: {amount(cost)} per 1,000 rows, if a false alarm costs {alarm:g} "
        f"and a miss {miss:g}. Predicting all rows rare costs {amount(every)}, and "
        f"predicting none {amount(none)}."
    )
