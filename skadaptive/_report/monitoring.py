"""The page of ``skadaptive monitor``: what has changed, since when, and the figures."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._messages import shortened
from .._monitoring.breaches import LEAST_INDEX, SCORE, Breach, measure_text
from .._monitoring.measures import TITLES
from .._typing import FilePath
from .formatting import capital, join_names, number, threshold_text
from .pages import (
    Cell,
    check_folder,
    renderer,
    source_facts,
    versions,
    write_page,
)
from .source import Source
from .svg import PALETTE, Figure

if TYPE_CHECKING:
    from markupsafe import Markup

    from ..monitoring import Monitoring

# Features of the table that are shown at once; those in breach always are.
_N_FEATURES = 20
# Characters of period names that fit below a figure.
_N_CHARACTERS = 52
# New values of one feature that are listed.
_N_VALUES = 10
_OF_SHARES = ("estimated_share", "share", "alarms")


def monitoring_report(
    found: "Monitoring",
    path: FilePath | None = None,
    *,
    title: str | None = None,
    source: Source | None = None,
) -> Path | str:
    """Write a report of a monitoring as one self-contained HTML file.

    Parameters
    ----------
    found : Monitoring
        Result of :func:`skadaptive.monitor`.
    path : str or path-like, default=None
        File to write; an existing one is replaced once the new one is complete. None
        returns the page.
    title : str, default=None
        Heading of the page. None: a question that it answers.
    source : Source, default=None
        The file of the new rows, where the command has read one.

    Returns
    -------
    pathlib.Path or str
        The path, or the page if ``path`` is None.

    Raises
    ------
    ImportError
        If Jinja2 or matplotlib is not installed.
    FileNotFoundError
        If the folder of ``path`` does not exist.
    """
    render = renderer()
    path = check_folder(path)
    measures = list(dict.fromkeys(found.measures["measure"]))
    page = render(
        "monitoring.html.jinja",
        title=title or f"Has anything changed for {found.name} since its training?",
        found=found,
        facts=source_facts(source) | _facts(found),
        source=source,
        periods=list(found.periods["period"]),
        shares=[_figure(found, name) for name in _OF_SHARES if name in measures],
        labelled=[_figure(found, n) for n in measures if n not in _OF_SHARES],
        has_labels="share" in measures,
        measures=_measures(found, measures),
        features=_features(found),
        gaps=_gaps(found),
        new=_new_values(found),
        advice=_advice(found, source is not None),
        threshold=None,
        least_index=LEAST_INDEX,
        score=SCORE,
        footer={"Versions": versions()},
    )
    return page if path is None else write_page(page, path)


def _facts(found: "Monitoring") -> dict[str, str]:
    rows = int(found.periods["rows"].sum())
    facts = {
        "Model": found.name,
        "New rows": f"{rows:,}",
        "Periods": f"{len(found.periods):,}",
        "Rows of the training": f"{found.n_reference:,}",
        "Rare class": str(found.positive),
        "Threshold": threshold_text(found.threshold),
    }
    labelled = int(found.periods["labelled"].sum())
    if labelled:
        facts["Labels"] = "all" if labelled == rows else f"{labelled:,}"
    return facts


# ----------------------------------------------------------------------------- figures


def _figure(found: "Monitoring", name: str) -> "tuple[str, Markup]":
    """Caption and figure of a measure over the periods."""
    names = list(found.periods["period"])
    rows = found.measures[found.measures["measure"] == name].set_index("period")
    rows = rows.reindex(names)
    scale = 100 if name in _OF_SHARES else 1
    x = np.arange(len(names))
    columns = ["value", "low", "high", "expected", "expected_low", "expected_high"]
    value, low, high, expected, bottom, top = (
        scale * rows[column].to_numpy(float) for column in columns
    )
    in_breach = rows["breach"].eq(True).to_numpy()
    with Figure(f"measure-{name.replace('_', '-')}", (5, 2.7)) as drawing:
        ax = drawing.ax
        ax.use_sticky_edges = False  # or bars would end at the edge of the figure
        ax.bar(x, top - bottom, 0.8, bottom, color=PALETTE[5], alpha=0.28, linewidth=0)
        ax.hlines(expected, x - 0.4, x + 0.4, color=PALETTE[5], linewidth=1.2)
        for chosen, colour, marker in (
            (~in_breach, PALETTE[0], "o"),
            (in_breach, PALETTE[1], "D"),
        ):
            ax.vlines(x[chosen], low[chosen], high[chosen], color=colour)
            ax.plot(x[chosen], value[chosen], marker, color=colour, markersize=5)
        for breach in found.breaches:
            if breach.name == name and breach.since != names[0]:
                ax.axvline(
                    names.index(breach.since) - 0.5, color=PALETTE[1], linestyle=":"
                )
        beside = 0.6 + max(0, 4 - len(names)) / 2  # or a single bar would be too wide
        ax.set_xlim(-beside, len(names) - 1 + beside)
        _label_periods(ax, names)
        if name in _OF_SHARES:
            ax.set_ylabel("percent")
        ax.grid(axis="y", alpha=0.5, linewidth=0.6)
        ax.set_axisbelow(True)
        unit = "\u00a0%" if name in _OF_SHARES else ""
        texts = [
            f"{period} {number(value[i], 2 if unit else 3)}{unit}"
            f"{' (in breach)' if in_breach[i] else ''}"
            for i, period in enumerate(names)
        ]
        svg = drawing.svg(f"{capital(TITLES[name])} by period: {'; '.join(texts)}.")
    return capital(TITLES[name]), svg


def _label_periods(ax: Any, names: list[str]) -> None:
    shown = [name.removeprefix("week of ") for name in names]
    longest = max(map(len, shown))
    if longest > _N_CHARACTERS // 2:
        shown = [shortened(text, 22) for text in shown]
        longest = max(map(len, shown))
    step = -(-len(names) * (longest + 2) // _N_CHARACTERS)
    places = range(0, len(names), step)
    ax.set_xticks(list(places), [shown[i] for i in places])


# ------------------------------------------------------------------------------ tables


@dataclass(frozen=True)
class FeatureRow:
    """Stability of a feature by period.

    Attributes
    ----------
    name : str
    cells : list of (str, bool)
        The index, and whether it is in breach.
    is_first : bool
        Whether the row is shown at once.
    """

    name: str
    cells: list[tuple[str, bool]]
    is_first: bool


def _measures(found: "Monitoring", names: list[str]) -> dict[str, Any]:
    """Every measure by period, with the interval that is expected."""
    by = found.measures.set_index(["period", "measure"])
    rows = []
    for period in found.periods.itertuples():
        cells = [Cell(f"{period.rows:,}")]
        for name in names:
            if (period.period, name) not in by.index:
                cells.append(Cell("–"))
                continue
            row = by.loc[(period.period, name)]
            low, high = (
                measure_text(name, row[end])
                for end in ("expected_low", "expected_high")
            )
            shown = measure_text(name, row["value"])
            cells.append(Cell(shown, f"{low} to {high}", bool(row["breach"])))
        rows.append((period.period, cells))
    return {
        "headings": ["Rows", *(capital(TITLES[name]) for name in names)],
        "rows": rows,
    }


def _features(found: "Monitoring") -> list[FeatureRow]:
    """Features and the score, those that have moved most first."""
    periods = list(found.periods["period"])
    index, breach = (
        found.features.pivot(index="feature", columns="period", values=values)[periods]
        for values in ("psi", "breach")
    )
    breach = breach.astype(bool)
    order = index.max(axis=1).sort_values(ascending=False, kind="stable").index
    # The score stands first, whatever it is.
    order = [SCORE, *(name for name in order if name != SCORE)]
    kinds = found.features.set_index("feature")["kind"]
    only_gaps = set(kinds.index[kinds.isin(["date", "text"])])
    return [
        FeatureRow(
            _feature_title(str(name), name in only_gaps),
            [
                (f"{value:.2f}", flag)
                for value, flag in zip(index.loc[name], breach.loc[name], strict=True)
            ],
            place <= _N_FEATURES or bool(breach.loc[name].any()),
        )
        for place, name in enumerate(order)
    ]


def _feature_title(name: str, only_gaps: bool) -> str:
    if name == SCORE:
        return "The score"
    return f"{name} (missing values alone)" if only_gaps else name


def _gaps(found: "Monitoring") -> list[tuple[str, str, str, str]]:
    """Features whose share of missing values differs most from training."""
    features = found.features[found.features["kind"] != "score"]
    change = (features["missing"] - features["missing_reference"]).abs()
    worst = features.loc[change.groupby(features["feature"]).idxmax()]
    worst = worst.assign(change=change).sort_values("change", ascending=False)
    return [
        (
            str(row.feature),
            f"{100 * row.missing_reference:.1f}\u00a0%",
            f"{100 * row.missing:.1f}\u00a0%",
            str(row.period),
        )
        for row in worst[worst["change"] > 0.001].head(_N_FEATURES).itertuples()
    ]


def _new_values(found: "Monitoring") -> list[tuple[str, str, str]]:
    """Feature, new values and how many rows hold them, and in which periods."""
    rows = []
    for feature, of in found.new_categories.groupby("feature", sort=False):
        counts = of.groupby("value")["rows"].sum().sort_values(ascending=False)
        shown = [f"{value} ({n:,})" for value, n in counts.head(_N_VALUES).items()]
        if len(counts) > _N_VALUES:
            shown.append(f"{len(counts) - _N_VALUES} more")
        periods = list(dict.fromkeys(of["period"]))
        where = periods[0]
        if len(periods) > 1:
            where = f"{len(periods)} periods, first in {where}"
        rows.append((str(feature), ", ".join(shown), where))
    return rows


# ------------------------------------------------------------------------------ advice


def _advice(found: "Monitoring", by_command: bool) -> list[str]:
    """What to do, in the order in which to do it."""
    if not found.breaches:
        return [
            "Nothing needs to be done. Monitor the next rows as well: small changes "
            "show in more rows."
        ]
    kinds: dict[str, list[Breach]] = {}
    for breach in found.breaches:
        kinds.setdefault(breach.kind, []).append(breach)
    lines = []
    if "feature" in kinds:
        names = join_names(breach.name for breach in kinds["feature"])
        lines.append(
            f"Look at the source of {names}: a unit, a default, the spelling of a "
            "value or a join may have changed. A mistake there is better mended than "
            "learned."
        )
    if "share" in kinds:
        adjust = "skadaptive.drift.adjust_to_prior(proba, old, new)"
        lines.append(
            "The share of the rare class differs from that of the training, so that "
            f"probabilities are too low or too high. {adjust} adjusts them, if only "
            "the share has changed; then choose the threshold by costs."
        )
    if {"measure", "share"} & set(kinds) and any(
        "Look at the labels" in breach.message for breach in found.breaches
    ):
        lines.append(
            "Check a sample of recent labels by hand before you train on them."
        )
    if "measure" in kinds or "feature" in kinds:
        again = "skadaptive compare --save" if by_command else "skadaptive.compare"
        lines.append(
            "If the change is real and stays, train again on recent rows with "
            f"{again}. New rows are then compared with those."
        )
    if "alarms" in kinds:
        lines.append(
            "The number of alarms has changed: see whether whoever works on them can "
            "keep up, or choose another threshold."
        )
    if set(kinds) == {"score"}:
        lines.append(
            "The scores have moved although no single feature has: look at features "
            "that depend on each other."
        )
    return lines
