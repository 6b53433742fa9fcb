"""Figures of matplotlib as SVG elements of a page, in the colours of the page.

Matplotlib is imported when something is drawn.
"""

import io
import re
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .._messages import visible

if TYPE_CHECKING:
    from markupsafe import Markup

# Okabe & Ito's palette, and three more colours. The style sheet of the page replaces
# each by the variable below, which is darker on a light background and lighter on a
# dark one, so that contrast suffices on both.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#8a6d00", "#56708a")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
TEXT, MUTED, _GRID = "#010101", "#666666", "#b0b0b0"
_VARIABLES = {
    **{colour: f"var(--c{i})" for i, colour in enumerate(PALETTE, 1)},
    "#c1440e": "var(--c2)",  # a colour of comparison.plot
    TEXT: "currentColor",
    "#000000": "currentColor",
    MUTED: "var(--muted)",
    _GRID: "var(--line)",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": TEXT,
    "grid.color": _GRID,
    "text.color": TEXT,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "lines.linewidth": 1.6,
}


class Figure:
    """A figure in the style of the page, to be drawn inside a ``with`` statement.

    Parameters
    ----------
    name : str
        Prefix of the ids of its elements, so that they are unique in the page.
    size : (float, float)
        Width and height in inches.
    **subplots
        Keywords of matplotlib's ``Figure.subplots``.

    Attributes
    ----------
    figure : matplotlib Figure
    ax : matplotlib Axes, or an array of them
    """

    def __init__(self, name: str, size: tuple[float, float], **subplots: Any):
        self.name, self.size, self.subplots = name, size, subplots

    def __enter__(self) -> Self:
        import matplotlib
        from matplotlib.figure import Figure

        self._context = matplotlib.rc_context()
        self._context.__enter__()
        # Without this, a user's matplotlibrc would change the page.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_STYLE, "svg.hashsalt": self.name})
        # The layout must be computed at the resolution of SVG, 72 dots per inch.
        self.figure = Figure(figsize=self.size, dpi=72, layout="constrained")
        self.ax = self.figure.subplots(**self.subplots)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._context.__exit__(kind, error, traceback)

    def svg(self, description: str) -> "Markup":
        """The figure as an SVG element.

        Parameters
        ----------
        description : str
            What the figure shows, with numbers, for screen readers.

        Returns
        -------
        markupsafe.Markup
        """
        from markupsafe import Markup

        stream = io.StringIO()
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        with warnings.catch_warnings():
            # The browser draws the texts, with fonts of its own.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            self.figure.savefig(
                stream, format="svg", transparent=True, metadata=no_metadata
            )
        text = visible(stream.getvalue())
        text = text[text.index("<svg") :].strip()
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
        text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
        # Only tags are changed: the text between them may hold names from the data.
        text = re.sub(r"<[^>]*>", self._adapt, text)
        text = re.sub(r">\n\s*", ">\n", text)
        width, height = (72 * inches for inches in self.figure.get_size_inches())
        opening = Markup('<svg role="img" aria-label="{}" viewBox="0 0 {:g} {:g}">')
        content = Markup(text[text.index(">") + 1 :])
        return opening.format(visible(description), width, height) + content

    def _adapt(self, tag: re.Match[str]) -> str:
        """A tag without namespaces, with prefixed ids and the colours of the page."""
        text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", tag.group())
        text = text.replace("xlink:href", "href")
        text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{self.name}-", text)
        return re.sub(r"#[0-9a-f]{6}\b", _variable, text)


def _variable(colour: re.Match[str]) -> str:
    return _VARIABLES.get(colour.group(), colour.group())


def legend_below(drawing: Figure) -> None:
    """Put the legend below the axes, where long names have room."""
    ax = drawing.ax
    if ax.get_legend():
        ax.get_legend().remove()
    drawing.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center")
