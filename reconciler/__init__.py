"""Reconcile a trading platform's orders: ask the exchange about stale ones, correct their rows."""

__version__ = "0.1.0"
