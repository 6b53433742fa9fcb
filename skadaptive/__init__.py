"""A neural classifier for rare classes, at home in scikit-learn.

See :class:`skadaptive.AdaptiveHybridClassifier`.
"""

from . import adaptation, datasets, drift, thresholds
from ._version import __version__
from .classifier import AdaptiveHybridClassifier
from .display import AdaptationDisplay, ThresholdDisplay
from .evaluation import Evaluation, evaluate

__all__ = [
    "AdaptationDisplay",
    "AdaptiveHybridClassifier",
    "Evaluation",
    "ThresholdDisplay",
    "__version__",
    "adaptation",
    "datasets",
    "drift",
    "evaluate",
    "thresholds",
]
