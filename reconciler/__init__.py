"""Make a trading platform's orders true: ask the exchange about stale ones, repair the rows."""

__version__ = "0.1.0"
