"""The hint how to install what a command needs beyond the plain installation.

We publish no package: one of our name in an index would be another author's. So the hint leads to
the checkout.
"""


def install_hint(extra: str) -> str:
    """Return the hint how to install an extra: `demo`, `console`, `ccxt`, `bench` or `dev`."""
    return f"in the folder of the reconciler's checkout, run: scripts/install {extra}"
