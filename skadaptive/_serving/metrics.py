"""What the server counts, summed over the workers, in the format of Prometheus.

prometheus-client adds the workers up through files in the folder that the environment
variable ``PROMETHEUS_MULTIPROC_DIR`` names. It has to be set before this module is
imported.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from .._saving.seen_values import Unseen
from .model import ServedModel
from .recent import RecentRows

# Seconds. The bounds are close where single rows are answered.
_BUCKETS = [0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25]
_BUCKETS += [1, 5, 30]

REQUESTS = Counter(
    "skadaptive_requests", "Requests by endpoint and status.", ["endpoint", "status"]
)
SECONDS = Histogram(
    "skadaptive_request_seconds",
    "Time from the headers of a request to the end of its answer.",
    ["endpoint"],
    buckets=_BUCKETS,
)
ROWS = Counter("skadaptive_rows", "Rows that were answered.")
ALARMS = Counter("skadaptive_alarms", "Rows that were predicted rare.")
UNSEEN = Counter(
    "skadaptive_unseen_rows",
    "Rows with a missing value or a category that training did not see in the column.",
    ["column", "kind"],
)
LOADS = Counter("skadaptive_model_loads", "Model files that were read.", ["result"])
WORKERS = Gauge(
    "skadaptive_model_workers",
    "Workers that answer with a version of the model.",
    ["version"],
    multiprocess_mode="livesum",
)


class _WorkersCollector:
    """The sums over the workers.

    A worker that starts makes each of its files empty and then gives it a size. One
    that is read, or whose worker is killed, in between is no fault: it counts nothing.
    """

    def collect(self) -> Iterable[Metric]:
        found = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).glob("*.db")
        return MultiProcessCollector.merge([str(p) for p in found if _has_size(p)])


def _has_size(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:  # of a worker that ended just now
        return False


class _RecentCollector:
    """Measures of the last rows of all workers, against the training."""

    def __init__(self, model: ServedModel, recent: RecentRows) -> None:
        self._model, self._recent = model, recent

    def collect(self) -> Iterator[Metric]:
        codes = self._recent.read()
        yield GaugeMetricFamily(
            "skadaptive_recent_rows", "Rows that drift is computed over.", len(codes)
        )
        if not len(codes):
            return
        yield GaugeMetricFamily(
            "skadaptive_recent_alarm_share",
            "Share of these rows that were predicted rare.",
            float(codes[:, -1].mean()),
        )
        stability, by_chance = (
            GaugeMetricFamily(
                f"skadaptive_feature_stability{suffix}", text, labels=["feature"]
            )
            for suffix, text in (
                ("", "Population stability index of these rows against training."),
                ("_by_chance", "95 % quantile of the index without any change."),
            )
        )
        for name, (psi, chance) in self._model.bins.stability(codes).items():
            stability.add_metric([name], psi)
            by_chance.add_metric([name], chance)
        yield from (stability, by_chance)
        of_score = self._model.bins.score_stability(codes)
        if of_score is not None:
            yield GaugeMetricFamily(
                "skadaptive_score_stability",
                "Population stability index of the score against out-of-fold scores.",
                of_score[0],
            )
            yield GaugeMetricFamily(
                "skadaptive_score_stability_by_chance",
                "95 % quantile of the index without any change.",
                of_score[1],
            )


def exposition(model: ServedModel, recent: RecentRows) -> bytes:
    """All metrics as text.

    Parameters
    ----------
    model : ServedModel
    recent : RecentRows
        The last rows that were answered with it.
    """
    registry = CollectorRegistry()
    registry.register(_WorkersCollector())
    registry.register(_RecentCollector(model, recent))
    return generate_latest(registry)


def count_request(endpoint: str, status: int, seconds: float) -> None:
    """Count a request.

    Parameters
    ----------
    endpoint : str
        One of a few: each has a series of its own.
    status : int
    seconds : float
    """
    REQUESTS.labels(endpoint, str(status)).inc()
    SECONDS.labels(endpoint).observe(seconds)


def count_rows(n_rows: int, n_alarms: int, unseen: list[Unseen]) -> None:
    """Count answered rows.

    Parameters
    ----------
    n_rows, n_alarms : int
    unseen : list of Unseen
    """
    ROWS.inc(n_rows)
    ALARMS.inc(n_alarms)
    for found in unseen:
        UNSEEN.labels(found.column, found.kind).inc(len(found.rows))
