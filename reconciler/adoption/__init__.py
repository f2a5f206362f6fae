"""Propose what the configuration file says of a user's table, from what the database says of it.

Everything here is pure: `reconciler.store.discovery` reads, and the command `init` asks and writes.
A proposal is made again with each answer. What cannot be known is never guessed: it is a question.
"""
