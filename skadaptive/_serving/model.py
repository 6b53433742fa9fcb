"""A model file in use: rows of a request in, probabilities and decisions out."""

import hmac
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .._assessment.response import find_threshold, response
from .._io.json_values import json_values
from .._monitoring.bins import ReferenceBins
from .._prediction import chosen_threshold, rare_index
from .._saving.container import checksum_of
from .._saving.model_files import SavedModel, load_model
from ..explanation import explain
from .rows import RowReader

#: Most rows of a request whose reasons are given: one takes about a tenth of a second.
MOST_EXPLAINED = 100

_N_VERSION = 12


@dataclass(frozen=True)
class ServerSettings:
    """What the command says about a server; the workers get it as it is.

    Attributes
    ----------
    model : str
        Path of the model file.
    threshold : float or None
    costs : tuple of two floats or None
    strict : bool
        Whether what training did not see is refused.
    token : str or None
        Without which requests are refused.
    max_bytes, max_rows : int
        Of one request.
    folder : str
        Of the server's own files, which the workers share.
    """

    model: str
    threshold: float | None = None
    costs: tuple[float, float] | None = None
    strict: bool = False
    token: str | None = None
    max_bytes: int = 10_000_000
    max_rows: int = 10_000
    folder: str = ""

    def accepts(self, header: str | None) -> bool:
        """Whether an Authorization header holds the token, if there has to be one."""
        if self.token is None:
            return True
        kind, _, given = (header or "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), self.token.encode())
        return kind.lower() == "bearer" and same


class ServedModel:
    """A model, and how its rows are read and decided.

    Parameters
    ----------
    saved : SavedModel
    version : str
        Of the file: the first digits of its SHA-256.
    settings : ServerSettings

    Attributes
    ----------
    saved, version
    reader : RowReader
    bins : ReferenceBins
    threshold : float or None
        A row is predicted rare if its probability is above it. None if the decisions
        of the model do not follow from a threshold.
    note : str or None
        How the threshold was found.

    Raises
    ------
    ValueError
        As :func:`skadaptive._prediction.chosen_threshold`.
    """

    def __init__(
        self, saved: SavedModel, version: str, settings: ServerSettings
    ) -> None:
        self.saved, self.version = saved, version
        self.reader = RowReader(saved)
        self.bins = ReferenceBins(saved)
        self._settings = settings
        self._classes = list(saved.model.classes_)
        self._index = rare_index(saved)
        self.threshold, self.note = chosen_threshold(
            saved, settings.model, settings.threshold, settings.costs
        )
        if self.threshold is None and len(self._classes) == 2:
            self.threshold = self._own_threshold()

    @classmethod
    def load(cls, settings: ServerSettings) -> "ServedModel":
        """Read the model file as it is now."""
        path = Path(settings.model)
        version = checksum_of(path)
        saved = load_model(path)
        while version != checksum_of(path):  # it was replaced in between
            version = checksum_of(path)
            saved = load_model(path)
        return cls(saved, version[:_N_VERSION], settings)

    def _own_threshold(self) -> float | None:
        """The threshold of the model, held against what it predicts."""
        rows = self.saved.background
        if rows is None:
            none = np.empty(0)
            return find_threshold(self.saved.model, self._index, none, none)
        probability = self.probability(rows)
        is_rare = self.saved.model.predict(rows) == self._classes[self._index]
        return find_threshold(self.saved.model, self._index, probability, is_rare)

    def probability(self, rows: pd.DataFrame) -> np.ndarray:
        """Probability of the rare class, of shape (n_rows,)."""
        return response(self.saved.model, rows, self._index)[0]

    def decide(self, rows: pd.DataFrame, probability: np.ndarray) -> np.ndarray:
        """Which rows are predicted rare, of shape (n_rows,)."""
        if self.threshold is not None:
            return probability > self.threshold
        return self.saved.model.predict(rows) == self._classes[self._index]

    def labels(self, rows: pd.DataFrame, is_rare: np.ndarray) -> list[Any]:
        """Predicted classes as JSON has them."""
        classes = json_values(self._classes)
        if len(classes) != 2:
            return json_values(list(self.saved.model.predict(rows)))
        rare, other = classes[self._index], classes[1 - self._index]
        return [rare if found else other for found in is_rare.tolist()]

    def reasons(self, rows: pd.DataFrame, n_reasons: int) -> list[list[str]]:
        """The greatest contributions to the odds of each row, in words.

        They are those of ``skadaptive predict --explain``.

        Raises
        ------
        ValueError
            If the model file holds no rows of the training to compare with.
        """
        background = self.saved.background
        if background is None:
            raise ValueError(
                "The model file holds no rows of the training, which reasons need: it "
                "was saved with --no-reference."
            )
        label = self._classes[self._index]
        explanation = explain(self.saved.model, rows, pos_label=label, random_state=0)
        contributions = explanation.contributions(
            np.arange(len(rows)), background=background
        )
        # There are no more reasons than columns, and a client may ask for a billion.
        n_reasons = min(n_reasons, rows.shape[1])
        table = contributions.reasons(n_reasons).to_numpy(dtype=object)
        return [
            [text for text in row if isinstance(text, str) and text] for row in table
        ]

    @cached_property
    def schema(self) -> dict[str, Any]:
        """What a request may hold, as JSON."""
        facts, settings = self.saved.facts, self._settings
        return {
            "model": facts.name,
            "model_version": self.version,
            "target": facts.target,
            "rare_class": json_values(facts.positive),
            "classes": json_values(self._classes),
            "threshold": self.threshold,
            "strict": settings.strict,
            "max_bytes": settings.max_bytes,
            "max_rows": settings.max_rows,
            "columns": [
                {
                    "name": name,
                    "kind": column.kind,
                    "always_filled_in_training": name in self.reader.seen.never_missing,
                    "missing_words": list(column.missing_words),
                    "date_format": column.date_format,
                    "number_format": column.number.describe() or None,
                    "categories": list(column.levels) or None,
                }
                for name, column in self.saved.columns.items()
            ],
            "ignored_columns": sorted(self.reader.ignored),
        }

    def warm_up(self) -> None:
        """Predict once, so that the first request does not pay for what is lazy."""
        if self.saved.background is not None:
            self.probability(self.saved.background.head(1))
