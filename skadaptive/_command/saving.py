"""A model that was fitted on a training table, saved with what a model file holds."""

import argparse
from typing import Any

from .._assessment.response import without_seen_rows
from .._io.json_values import json_values
from .._io.training_table import TrainingTable
from .._saving.model_files import ModelFacts, save_model
from .._saving.reference import (
    OutOfFold,
    background_rows,
    reference_distributions,
    without_texts,
)
from .._typing import Estimator
from ..comparison import Comparison


def save_trained(
    options: argparse.Namespace,
    table: TrainingTable,
    model: Estimator,
    comparison: Comparison,
    name: str,
) -> None:
    """Write the file that ``--save`` names.

    Parameters
    ----------
    options : Namespace
        With ``save``, ``id``, ``no_reference`` and ``seed``.
    table : TrainingTable
    model : estimator
        Fitted on all rows of the table.
    comparison : Comparison
        It has the out-of-fold probabilities.
    name : str
        Name of the model, a contender of the comparison.
    """
    facts = ModelFacts(
        name=name,
        target=str(table.target.y.name),
        positive=json_values(table.target.positive),
        others_together=table.target.others_together,
        unused_columns=list(table.left_out),
        id_column=options.id,
    )
    out_of_fold = OutOfFold.of_contender(comparison, name)
    background: Any = None
    if not options.no_reference:
        background = background_rows(table.X, table.sample_weight, options.seed)
    with without_seen_rows(model) as kept:
        save_model(
            options.save,
            kept,
            without_texts(table.formats, table.X),
            facts,
            background=background,
            out_of_fold=out_of_fold,
            reference=reference_distributions(table.X, out_of_fold),
        )
