"""Model files: a model, the columns and the target of its training, and what is known.

:mod:`~skadaptive.classifier`'s estimator is stored by a schema of its own, which other
releases read. Every other contender is stored by skops and opens under the versions
that wrote it.
"""

import platform
import shlex
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from .._io.columns import ColumnFormat
from .._packages import distribution, installed_versions
from .._typing import Estimator, FilePath, Label
from ..contenders import set_date_formats
from .container import AGAIN, Parts, read_container, write_container
from .frames import read_frame, write_frame
from .other_models import (
    check_versions,
    dump_other,
    foreign_types,
    load_other,
    versions_needed,
)
from .plain_values import from_plain, to_plain
from .reference import OutOfFold, check_distributions
from .schema import SCHEMA, is_plain, parameters_left_out, read_model, write_model

_OTHER = "model.skops"
# Packages whose versions a file tells, whether or not they matter to it.
_TOLD = ("scikit-learn", "numpy", "pandas", "scipy")

# A value of each kind of column.
_TYPICAL = {"number": 0.0, "date": pd.Timestamp("2000-01-01"), "category": "a"}

#: What the parts of a file hold.
PARTS = {
    "manifest": "versions, target and formats of the columns",
    "classifier": "classes, names, threshold, parameters and history",
    "networks": "weights of the networks",
    "inputs": "scaling and encoding of the features",
    "calibration": "calibration of the probabilities",
    "categories": "levels of the categorical features",
    "preparation": "dates and free texts",
    "fixed_threshold": "threshold around the classifier",
    "model": "the model, by skops",
    "background": "rows of the training, for explanations",
    "out_of_fold": "out-of-fold probabilities, for --costs",
    "reference": "binned distributions, for monitoring",
    "checksum": "SHA-256 of the file, and its end",
}


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
    background : DataFrame of shape (n_rows, n_features) or None
        At most 200 rows of the training.
    out_of_fold : OutOfFold or None
        Labels and probabilities of the rows of the training.
    reference : dict
        See :func:`~skadaptive._saving.reference.reference_distributions`; empty if the
        file has none.
    """

    model: Estimator
    columns: dict[str, ColumnFormat]
    facts: ModelFacts
    background: pd.DataFrame | None = None
    out_of_fold: OutOfFold | None = None
    reference: dict[str, Any] = field(default_factory=dict)

    @property
    def known_labels(self) -> list[Label]:
        """Values of the target that tell the classes apart."""
        if self.facts.others_together:
            return [self.facts.positive]
        return list(self.model.classes_)


def save_model(
    path: FilePath,
    model: Estimator,
    columns: dict[str, ColumnFormat],
    facts: ModelFacts,
    *,
    background: pd.DataFrame | None = None,
    out_of_fold: OutOfFold | None = None,
    reference: dict[str, Any] | None = None,
) -> None:
    """Write a fitted model to a file of exactly this name.

    Parameters
    ----------
    path : str or path-like
        An existing file is replaced once the new one is complete.
    model : estimator
        Fitted.
    columns : dict of str to ColumnFormat
        Features that it was fitted on.
    facts : ModelFacts
    background : DataFrame of shape (n_rows, n_features), default=None
        Rows of the training, for explanations.
    out_of_fold : OutOfFold, default=None
    reference : dict, default=None
        Values of JSON.

    Raises
    ------
    ImportError
        If the model is not ours and skops is not installed.
    ValueError
        If the model has parts that :func:`load_model` would refuse.
    """
    parts = Parts()
    manifest: dict[str, Any] = {
        "format": "skadaptive model file",
        "schema": SCHEMA,
        "written_with": {"python": platform.python_version()}
        | installed_versions(_TOLD),
        "facts": _plain_facts(facts),
        "columns": {name: column.to_json() for name, column in columns.items()},
    }
    if is_plain(model):
        manifest["kind"] = "plain"
        write_model(model, parts)
    else:
        data = dump_other(model)
        parts.add_bytes(_OTHER, data)
        manifest |= {"kind": "skops", "needs": versions_needed(data)}
    if background is not None:
        write_frame("background", background, parts)
    if out_of_fold is not None:
        parts.add_array("out_of_fold/y", out_of_fold.y.astype(np.int8))
        parts.add_array("out_of_fold/probability", out_of_fold.probability)
        if out_of_fold.sample_weight is not None:
            parts.add_array("out_of_fold/sample_weight", out_of_fold.sample_weight)
    if reference:
        parts.add_json("reference", reference)
    write_container(path, manifest, parts)


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
        If the model is not ours and skops is not installed.
    ValueError
        If it is no such file, is damaged, was written by a later release whose schema
        is not known here, or, for models that are not ours, was written with other
        versions of the packages that they need, or holds types that no default
        contender has.
    """
    manifest, parts, _ = _read_known(path)
    with _by_schema(path):
        is_plain_file = manifest["kind"] == "plain"
        needs = {} if is_plain_file else dict(manifest["needs"])
        other = None if is_plain_file else parts.bytes(_OTHER)
    check_versions(needs, path)
    with _by_schema(path):
        foreign = [] if other is None else foreign_types(other)
    if foreign:
        raise ValueError(
            f"{path} holds types that this program does not trust: "
            f"{', '.join(foreign)}. Was it written by 'skadaptive compare'?"
        )
    with _by_schema(path):
        saved = SavedModel(
            read_model(parts) if other is None else load_other(other),
            _columns(manifest),
            _facts(manifest),
            read_frame("background", parts) if "background" in parts else None,
            _read_out_of_fold(parts),
            _read_reference(parts, manifest),
        )
        formats = {
            name: column.date_format
            for name, column in saved.columns.items()
            if column.kind == "date"
        }
        set_date_formats(saved.model, formats)
        _try(saved)
    return saved


@dataclass(frozen=True)
class FileContents:
    """What a model file holds, without the model itself.

    Attributes
    ----------
    facts : ModelFacts
    kind : {"plain", "skops"}
        "plain" opens under other releases, "skops" under ``needs`` alone.
    written_with : dict of str to str
        Versions by package.
    needs : dict of str to str
        Versions by the name to import; empty for "plain".
    columns : dict of str to ColumnFormat
    parameters_left_out : list of str
        Parameters of the classifier that are not in the file.
    sizes : dict of str to int
        Bytes by part, which add up to the size of the file.
    """

    facts: ModelFacts
    kind: str
    written_with: dict[str, str]
    needs: dict[str, str]
    columns: dict[str, ColumnFormat]
    parameters_left_out: list[str]
    sizes: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Nested dicts and lists."""
        return {
            "model": self.facts.name,
            "kind": self.kind,
            "target": self.facts.target,
            "positive": self.facts.positive,
            "id": self.facts.id_column,
            "written_with": self.written_with,
            "needs": {distribution(m): v for m, v in self.needs.items()},
            "columns": {name: column.kind for name, column in self.columns.items()},
            "parameters_left_out": self.parameters_left_out,
            "bytes": self.sizes | {"file": sum(self.sizes.values())},
        }

    def lines(self) -> list[str]:
        """The same in lines of text."""
        facts = self.facts
        versions = ", ".join(f"{name} {v}" for name, v in self.written_with.items())
        found = [
            f"{facts.name}, which finds {facts.positive} in {facts.target}",
            f"written with {versions}",
        ]
        if self.kind == "plain":
            found.append("opens under other releases as well")
        else:
            needs = ", ".join(f"{distribution(m)} {v}" for m, v in self.needs.items())
            found.append(f"opens under these versions alone: {needs}")
        if self.parameters_left_out:
            names = ", ".join(self.parameters_left_out)
            found.append(f"parameters that are not in the file: {names}")
        found += ["", f"{len(self.columns)} columns"]
        width = max(map(len, self.columns), default=0)
        found += [f"  {n:<{width}}  {c.kind}" for n, c in self.columns.items()]
        found += ["", f"{sum(self.sizes.values()):,} bytes"]
        wide, long = max(map(len, self.sizes)), len(f"{max(self.sizes.values()):,}")
        found += [
            f"  {part:<{wide}}  {size:>{long},}  {PARTS.get(part, '')}".rstrip()
            for part, size in self.sizes.items()
        ]
        return found


def describe_model(path: FilePath) -> FileContents:
    """What a model file holds; the model itself is not made.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    FileContents

    Raises
    ------
    ValueError
        As :func:`load_model`, apart from versions and types.
    """
    manifest, parts, sizes = _read_known(path)
    with _by_schema(path):
        return FileContents(
            _facts(manifest),
            manifest["kind"],
            manifest["written_with"],
            manifest.get("needs", {}),
            _columns(manifest),
            parameters_left_out(parts),
            sizes,
        )


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
        alike = {name.strip().casefold(): name for name in map(str, extra)}
        named = [
            f"{name} (Is it {alike[name.strip().casefold()]!r}?)"
            if name.strip().casefold() in alike
            else name
            for name in missing
        ]
        rename = " Write the names as in training." if named != missing else ""
        raise ValueError(
            "Columns that the model was trained on are missing: "
            f"{', '.join(named)}.{rename}"
        )
    if extra:
        raise ValueError(
            f"Columns that the model was not trained on: {', '.join(extra)}. To leave "
            f"them out: --drop {shlex.join(extra)}"
        )
    return frame[list(saved.columns)]


def _read_known(path: FilePath) -> tuple[dict[str, Any], Parts, dict[str, int]]:
    """Read a file, and refuse schemas of later releases."""
    manifest, parts, sizes = read_container(path)
    schema = manifest.get("schema")
    if schema not in range(1, SCHEMA + 1):
        written = manifest.get("written_with", {}).get("skadaptive", "another release")
        raise ValueError(
            f"{path} has schema {schema} of skadaptive {written}, and this release "
            f"reads schemas up to {SCHEMA}. Install that release or a later one."
        )
    return manifest, parts, sizes


@contextmanager
def _by_schema(path: FilePath) -> Iterator[None]:
    """Tell of any error that a file was made otherwise.

    It was not damaged, since its checksum fits, and what hostile values lead to is of
    any kind, such as an attribute that a list does not have.
    """
    try:
        yield
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"{path} does not hold what its schema says ({error!r}). {AGAIN}."
        ) from error


def _try(saved: SavedModel) -> None:
    """Predict the background rows, or one: parts may not fit each other.

    Raises
    ------
    Exception
        Of any kind, if they do not.
    """
    rows = saved.background
    if rows is None or rows.empty:
        rows = pd.DataFrame(
            {name: [_TYPICAL[column.kind]] for name, column in saved.columns.items()}
        )
    if rows.empty:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a typical row has categories that are new
        found = saved.model.predict_proba(rows)
        saved.model.predict(rows)
    if not np.isfinite(found).all():
        raise ValueError("its probabilities are not finite")


def _columns(manifest: dict[str, Any]) -> dict[str, ColumnFormat]:
    columns = {}
    for name, values in manifest["columns"].items():
        column = ColumnFormat.from_json(values)
        texts = (*column.missing_words, *column.levels, *astuple(column.number)[:3])
        is_right = column.kind in _TYPICAL and all(isinstance(t, str) for t in texts)
        if not (is_right and isinstance(column.date_format, str | None)):
            raise ValueError(f"column {name!r} has no format of a column")
        columns[name] = column
    return columns


def _plain_facts(facts: ModelFacts) -> dict[str, Any]:
    return asdict(facts) | {"positive": to_plain(facts.positive)}


def _facts(manifest: dict[str, Any]) -> ModelFacts:
    """The facts, which other parts of the package take for texts and lists of these.

    Raises
    ------
    TypeError, ValueError
        If they are anything else.
    """
    values = manifest["facts"]
    facts = ModelFacts(**values | {"positive": from_plain(values["positive"])})
    texts = [facts.name, facts.target, *facts.unused_columns]
    texts += [] if facts.id_column is None else [facts.id_column]
    texts += [*manifest["written_with"].values(), *manifest.get("needs", {}).values()]
    is_right = isinstance(facts.unused_columns, list)
    is_right &= isinstance(facts.others_together, bool)
    is_right &= not isinstance(facts.positive, list | dict | None)
    if not (is_right and all(isinstance(text, str) for text in texts)):
        raise ValueError("facts are of other types")
    return facts


def _read_reference(parts: Parts, manifest: dict[str, Any]) -> dict[str, Any]:
    if "reference" not in parts:
        return {}
    reference = parts.json("reference")
    check_distributions(reference, manifest["columns"])
    return reference


def _read_out_of_fold(parts: Parts) -> OutOfFold | None:
    if "out_of_fold" not in parts:
        return None
    weighted = "out_of_fold/sample_weight" in parts
    y, probability = (parts.array(f"out_of_fold/{n}") for n in ("y", "probability"))
    weight = parts.array("out_of_fold/sample_weight") if weighted else None
    if not (y.ndim == 1 and np.isin(y, (0, 1)).all()):
        raise ValueError("labels of out-of-fold rows are others than 0 and 1")
    for array in (probability, *([] if weight is None else [weight])):
        if array.shape != y.shape or not (np.isfinite(array) & (array >= 0)).all():
            raise ValueError("out-of-fold rows do not fit their labels")
    return OutOfFold(y.astype(int), probability.astype(float), weight)
