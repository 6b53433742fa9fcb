"""scikit-learn's own checks of an estimator, no failure expected."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from skadaptive import AdaptiveHybridClassifier

# Instances to be checked, and the checks that each is expected to fail, by name with
# a reason that a user can understand.
INSTANCES = {
    "default": (AdaptiveHybridClassifier(), {}),
}

CHECKS = [
    pytest.param(
        estimator, check, id=f"{name}-{getattr(check, 'func', check).__name__}"
    )
    for name, (estimator, expected_failures) in INSTANCES.items()
    for estimator, check in estimator_checks_generator(
        estimator, expected_failed_checks=expected_failures, mark="xfail"
    )
]


@pytest.mark.filterwarnings("ignore:The rarest class has")
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_estimator_check(estimator, check):
    check(estimator)
