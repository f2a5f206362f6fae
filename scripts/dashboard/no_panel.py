"""The metrics without a panel, each with its reason."""

_SHADOW = "a shadow runs for days, next to the real thing: `reconciler status` has its report"

NO_PANEL = {
    "shadow.active": _SHADOW,
    "shadow.would_change": _SHADOW,
    "shadow.would_hold": _SHADOW,
    "shadow.not_yet": _SHADOW,
    "shadow.application_later": _SHADOW,
}
