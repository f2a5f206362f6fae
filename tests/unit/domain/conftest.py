"""The duration of hypothesis' searches: short, or long on request.

    HYPOTHESIS_PROFILE=thorough ./scripts/test tests/unit/domain --timeout 0

The quick search is the same every time, so that a red suite is the change's fault, never chance's.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick",
    max_examples=100,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough",
    max_examples=5_000,
    stateful_step_count=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
