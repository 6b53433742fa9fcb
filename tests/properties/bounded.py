"""How many cases generated properties have: few in the suite, many by ``make fuzz``.

In the suite the cases are the same in every run. ``SKADAPTIVE_TESTS_EXAMPLES=100``
makes a hundred times as many, drawn by ``--hypothesis-seed``.
"""

import os

from hypothesis import HealthCheck, Phase, settings

_FACTOR = int(os.environ.get("SKADAPTIVE_TESTS_EXAMPLES", "1"))


def bounded(n_examples):
    """Settings of a property that has so many cases in the suite."""
    return settings(
        max_examples=n_examples * _FACTOR,
        deadline=None,
        derandomize=_FACTOR == 1,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )
