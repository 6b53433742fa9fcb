"""A saved model of columns that mean something else to pandas, and new files.

The folder is that of the room ``_bulk``. It is not named so, because pytest would
collect its ``conftest.py`` before that of ``tests``, and refuse the second.
"""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from skadaptive._bulk.scoring import BulkSettings
from skadaptive._io.training_table import ColumnRoles, read_training
from skadaptive._saving.container import checksum_of
from skadaptive._saving.model_files import ModelFacts, save_model
from skadaptive._saving.reference import OutOfFold, reference_distributions
from skadaptive.contenders import raw_pipeline, table_pipeline


def make_table(n_rows, seed):
    """Cells as texts: decimal commas, a placeholder, dates, flags and codes."""
    rng = np.random.default_rng(seed)
    size, age = rng.normal(1500, 400, n_rows), rng.integers(18, 80, n_rows)
    risk = size / 400 + age / 20 + rng.normal(0, 0.3, n_rows)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        rng.integers(0, 300, n_rows), "D"
    )
    visits = rng.integers(0, 9, n_rows).astype(str)
    visits[n_rows // 2 :: 7] = "unknown"
    return pd.DataFrame(
        {
            "key": np.arange(n_rows),
            "size": [f"{v:,.2f}".translate(str.maketrans(",.", ".,")) for v in size],
            "age": age,
            "visits": visits,
            "opened": days.strftime("%d.%m.%Y"),
            "zone": rng.choice(["01", "02", "13", ""], n_rows),
            "fraud": np.where(risk > np.quantile(risk, 0.85), "yes", "no"),
        }
    )


@pytest.fixture(scope="package")
def model_files(tmp_path_factory):
    """Model files of this package's classifier and of another one, by name."""
    from skadaptive import AdaptiveHybridClassifier

    folder = tmp_path_factory.mktemp("models")
    make_table(300, 0).to_csv(folder / "train.csv", index=False, sep=";")
    table = read_training(folder / "train.csv", ColumnRoles("fraud", id="key"))
    y = (table.target.y == table.target.pos_label).to_numpy().astype(int)
    ours = AdaptiveHybridClassifier(
        hidden_layer_sizes=(8,), max_epochs=3, batch_size=64, cv=3, random_state=0
    )
    models = {
        "ours": raw_pipeline(table.X, ours),
        "logistic": table_pipeline(LogisticRegression()),
    }
    proba = cross_val_predict(
        models["logistic"], table.X, y, cv=3, method="predict_proba"
    )
    out_of_fold = OutOfFold(y, proba[:, 1])
    for name, model in models.items():
        save_model(
            folder / name,
            model.fit(table.X, table.target.y),
            table.formats,
            ModelFacts(name, "fraud", "yes", False, ["key"], "key"),
            out_of_fold=out_of_fold,
            reference=reference_distributions(table.X, out_of_fold),
        )
    return {name: folder / name for name in models}


@pytest.fixture
def settings(model_files):
    """Make the settings of a run."""

    def make(name="logistic", **parameters):
        path = model_files[name]
        chosen = {"n_rows": 17, **parameters}
        return BulkSettings(str(path), checksum_of(path), **chosen)

    return make


@pytest.fixture
def new_files(tmp_path):
    """Folder of three texts, two Parquet files, and what is to be skipped."""
    folder = tmp_path / "new"
    (folder / "2024").mkdir(parents=True)
    make_table(50, 1).to_csv(folder / "a.csv", index=False, sep=";")
    make_table(33, 2).to_csv(folder / "2024" / "b.csv.gz", index=False)
    # Without the column that names the rows.
    make_table(21, 3).drop(columns="key").to_csv(
        folder / "c.tsv", index=False, sep="\t"
    )
    typed = make_table(40, 4).drop(columns="fraud")
    typed.to_parquet(folder / "2024" / "d.parquet", row_group_size=11)
    typed["visits"] = pd.array(typed["visits"].replace("unknown", None)).astype("Int64")
    typed["opened"] = pd.to_datetime(typed["opened"], dayfirst=True)
    typed["size"] = np.linspace(500, 2500, len(typed))
    typed.to_parquet(folder / "e.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".a.csv.crc").touch()
    (folder / "notes.md").touch()
    return folder
