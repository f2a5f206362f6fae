"""A package, so that `reconciler demo --chaos` finds `tests.chaos` in a checkout."""
