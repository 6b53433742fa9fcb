"""Figures inside a page: as SVG elements in the colours of the page.

Matplotlib is imported when something is drawn.
"""

import io
import re

# Of Okabe & Ito's palette and beyond it. The page gives each a darker or lighter tone
# by the name on the right, so that it stands out from either background.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#8a6d00", "#56708a")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
TEXT, MUTED, _GRID = "#010101", "#666666", "#b0b0b0"
_VARIABLES = {
    **{colour: f"var(--c{i})" for i, colour in enumerate(PALETTE, 1)},
    "#c1440e": "var(--c2)",  # of comparison.plot
    TEXT: "currentColor",
    "#000000": "currentColor",
    MUTED: "var(--muted)",
    _GRID: "var(--line)",
}
_STYLE = {
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
    """A figure in the page's style, within a ``with`` statement.

    Parameters
    ----------
    name : str
        Prefix of its ids in the page.
    size : (float, float)
        In inches.
    shape : dict, default=None
        Keywords of matplotlib's ``Figure.subplots``.

    Attributes
    ----------
    figure : matplotlib Figure
    ax : matplotlib Axes, or an array of them
    """

    def __init__(self, name, size, shape=None):
        self.name, self.size, self.shape = name, size, shape or {}

    def __enter__(self):
        import matplotlib
        from matplotlib.figure import Figure

        self._context = matplotlib.rc_context()
        self._context.__enter__()
        # What somebody set in a matplotlibrc would make another page of it.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_STYLE, "svg.hashsalt": self.name})
        # At the resolution of SVG, in which the layout is then done.
        self.figure = Figure(figsize=self.size, dpi=72, layout="constrained")
        self.ax = self.figure.subplots(**self.shape)
        return self

    def __exit__(self, *exception):
        return self._context.__exit__(*exception)

    def svg(self, words):
        """The figure as an SVG element that says in words what it shows.

        Parameters
        ----------
        words : str

        Returns
        -------
        markupsafe.Markup
        """
        from markupsafe import Markup

        stream = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        self.figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
        text = stream.getvalue()
        text = text[text.index("<svg") :].strip()
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
        text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
        # Inside tags alone: between them there are names that people gave.
        text = re.sub(r"<[^>]*>", self._adapt, text)
        text = re.sub(r">\n\s*", ">\n", text)
        width, height = (72 * inches for inches in self.figure.get_size_inches())
        opening = Markup('<svg role="img" aria-label="{}" viewBox="0 0 {:g} {:g}">')
        return opening.format(words, width, height) + Markup(
            text[text.index(">") + 1 :]
        )

    def _adapt(self, tag):
        """A tag without namespaces, with ids of its own and colours of the page."""
        text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", tag.group())
        text = text.replace("xlink:href", "href")
        text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{self.name}-", text)
        return re.sub(r"#[0-9a-f]{6}\b", _variable, text)


def _variable(colour):
    return _VARIABLES.get(colour.group(), colour.group())


def legend_below(drawing):
    """Put the legend below the axes, for names may be long."""
    ax = drawing.ax
    if ax.get_legend():
        ax.get_legend().remove()
    drawing.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center")
