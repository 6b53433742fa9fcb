"""Generated calls of the estimator: an error that names its cause, or sound results.

``make fuzz`` makes many more, see ``fuzz.py``.
"""

import promises
import pytest
import strategies
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

# Those of the dozen architectures that are few to compile.
BOUNDED = strategies.ARCHITECTURES[:3]


def cases(n_classes, fixed):
    """Arguments of ``promises.run`` for an architecture."""
    parameters = strategies.parameters(n_classes).map(lambda drawn: {**drawn, **fixed})
    return st.tuples(
        st.just(n_classes), strategies.data(n_classes), parameters, strategies.CALLS
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_classes", "fixed"), BOUNDED, ids=["small", "encoded", "classes"]
)
def test_generated_calls(n_classes, fixed):
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(cases(n_classes, fixed))
    def holds(case):
        promises.run(*case)

    holds()
