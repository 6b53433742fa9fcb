"""A neural classifier for rare classes with scikit-learn's interface.

See :class:`skadaptive.AdaptiveHybridClassifier`.
"""

from . import adaptation, contenders, datasets, drift, thresholds, tuning
from ._saving.other_models import trusted_types
from ._version import __version__
from .classifier import AdaptiveHybridClassifier
from .comparison import Comparison, compare
from .display import (
    AdaptationDisplay,
    EffectDisplay,
    ImportanceDisplay,
    ThresholdDisplay,
)
from .evaluation import Evaluation, evaluate
from .explanation import Explanation, explain
from .export import register_onnx_converter, to_onnx
from .monitoring import Monitoring, monitor

__all__ = [
    "AdaptationDisplay",
    "AdaptiveHybridClassifier",
    "Comparison",
    "EffectDisplay",
    "Evaluation",
    "Explanation",
    "Monitoring",
    "ImportanceDisplay",
    "ThresholdDisplay",
    "__version__",
    "adaptation",
    "compare",
    "contenders",
    "datasets",
    "drift",
    "evaluate",
    "explain",
    "monitor",
    "register_onnx_converter",
    "thresholds",
    "to_onnx",
    "trusted_types",
    "tuning",
]
