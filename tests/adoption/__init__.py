"""Tables of orders as public platforms have them, and the reconciler on each.

A package, since the scripts that run an application or a benchmark on these tables import it.
"""
