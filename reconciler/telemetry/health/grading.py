"""Grade a value by two limits."""

from reconciler.telemetry.health.rows import Grade


def grade_from(value: float, warning: float, critical: float) -> Grade:
    """Grade a value: `warning` itself is a warning, and more than `critical` is critical."""
    if value > critical:
        return Grade.CRITICAL
    return Grade.WARNING if value >= warning else Grade.HEALTHY


def grade_above(value: float, warning: float, critical: float) -> Grade:
    """Grade a value: `warning` itself is healthy, and more than `critical` is critical."""
    if value > critical:
        return Grade.CRITICAL
    return Grade.WARNING if value > warning else Grade.HEALTHY
