"""The scope: the name of one of several programs that follow one table, each with its own filter.

What a program remembers in the database (holds, halt, account, pauses, cycles, first sync) belongs
to its scope, and no other program reads or writes it. So there is no default: what reads or writes
these tables is given the scope.
"""

from typing import NewType

Scope = NewType("Scope", str)
"""A name: up to 40 letters, digits, dots, `-` and `_`."""

UNSCOPED = Scope("")
"""The scope of a program that has no name. It is one of its own, not all of them."""
