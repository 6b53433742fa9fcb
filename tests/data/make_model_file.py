"""Writes a model file of this release, new rows, and what it predicts of them.

Run it once per release, in the newest and in the oldest environment, and keep what it
writes: every later release has to open these files. The name of a file tells the
versions that wrote it::

    python tests/data/make_model_file.py
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn

import skadaptive
from skadaptive import AdaptiveHybridClassifier
from skadaptive._io.columns import ReadingOptions
from skadaptive._io.training_table import ColumnRoles, read_training
from skadaptive._saving.model_files import ModelFacts, save_model
from skadaptive._saving.reference import (
    OutOfFold,
    background_rows,
    reference_distributions,
    without_texts,
)
from skadaptive.contenders import raw_pipeline

HERE = Path(__file__).parent
WORDS = "the order of this customer arrived and asked again broken damaged refund"


def make_rows(n_rows, seed):
    """A table with numbers, gaps, dates, free texts, and few and many categories."""
    rng = np.random.default_rng(seed)
    rare = rng.random(n_rows) < 0.2
    table = pd.DataFrame(
        {
            "amount": np.exp(rng.normal(3 * rare, 2)).round(2),
            "age": rng.integers(18, 90, n_rows),
            "city": rng.choice(["Rome", "Oslo", "Zürich"], n_rows),
            "shop": [f"shop {i}" for i in rng.integers(0, 80, n_rows)],
            "opened": pd.Timestamp("2021-03-01")
            + pd.to_timedelta(rng.integers(0, 900, n_rows), "D"),
            "note": [" ".join(rng.choice(WORDS.split(), 6)) for _ in range(n_rows)],
            "left": np.where(rare, "yes", "no"),
        }
    )
    for column, step in (("amount", 7), ("city", 11), ("opened", 13), ("note", 17)):
        table.loc[::step, column] = None
    return table


def main():
    """Write the files."""
    training = HERE / "training.csv"
    make_rows(400, 0).to_csv(training, index=False)
    new = make_rows(40, 1).drop(columns="left")
    new.loc[3, "city"] = "never seen"
    new.to_csv(HERE / "new_rows.csv", index=False)
    table = read_training(training, ColumnRoles("left"), "yes", ReadingOptions())
    training.unlink()
    classifier = AdaptiveHybridClassifier((4,), n_bins=4, max_epochs=20, cv=2)
    model = raw_pipeline(table.X, classifier.set_params(random_state=0))
    model.fit(table.X, table.target.y)
    rows = OutOfFold(
        (table.target.y == table.target.pos_label).to_numpy(int),
        model[-1].oof_proba_[:, list(model.classes_).index(table.target.pos_label)],
    )
    name = f"skadaptive-{skadaptive.__version__}-scikit-learn-{sklearn.__version__}"
    save_model(
        HERE / f"{name}.model",
        model,
        without_texts(table.formats, table.X),
        ModelFacts("AdaptiveHybridClassifier", "left", "yes", False, []),
        background=background_rows(table.X, None, 0).iloc[:20],
        out_of_fold=rows,
        reference=reference_distributions(table.X, rows),
    )
    from skadaptive import cli

    predicted = HERE / "predicted.csv"
    files = str(HERE / f"{name}.model"), str(HERE / "new_rows.csv")
    cli.main(["predict", *files, "--out", str(predicted)])
    found = pd.read_csv(predicted)
    predicted.unlink()
    (HERE / f"{name}.json").write_text(
        json.dumps(found.to_dict("list"), indent=0) + "\n"
    )


if __name__ == "__main__":
    main()
