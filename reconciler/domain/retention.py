"""How long an exchange remembers an order that has ended, by how it ended. Pure."""

from datetime import timedelta

from reconciler.domain.value import Value


class Retention(Value):
    """After these times an exchange may answer "not found" for an order that has ended.

    Attributes:
        unfilled: For an order that ended with nothing executed; None if it is never forgotten.
        filled: For an order of which something was executed; None if it is never forgotten.
    """

    unfilled: timedelta | None = None
    filled: timedelta | None = None

    def horizon(self, *, is_filled: bool) -> timedelta | None:
        """Return the age from which "not found" proves nothing; None if it always counts.

        An order with nothing executed when we last looked may have ended either way since then:
        what is forgotten first counts.
        """
        if is_filled or self.unfilled is None:
            return self.filled
        return self.unfilled if self.filled is None else min(self.unfilled, self.filled)


NEVER_FORGETS = Retention()
"""An exchange that remembers every order."""
