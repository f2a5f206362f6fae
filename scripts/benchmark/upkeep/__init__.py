"""Dead rows and bloat after many sweeps, by fillfactor and by how often vacuum runs.

compare  the comparison
storing  the storage settings and vacuum rules to compare, and a table that has grown
sweeps   sweep after sweep over all open orders
bloat    dead rows, sizes and in-place updates, read from the server
"""
