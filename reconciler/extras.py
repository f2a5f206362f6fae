"""How to get what a command needs beyond the plain installation.

Nothing of ours is published: a package of our name in an index could be anybody's. So every hint
leads to the checkout.
"""


def install_hint(extra: str) -> str:
    """Return how to install one of the extras: `demo`, `bench` or `dev`."""
    return f"in the folder of the reconciler's checkout, run: scripts/install {extra}"
