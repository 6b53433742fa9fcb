"""A neural classifier for rare classes, at home in scikit-learn.

See :class:`skadaptive.AdaptiveHybridClassifier`.
"""

from . import adaptation, datasets, drift, thresholds
from ._version import __version__
from .classifier import AdaptiveHybridClassifier

__all__ = [
    "AdaptiveHybridClassifier",
    "__version__",
    "adaptation",
    "datasets",
    "drift",
    "thresholds",
]
