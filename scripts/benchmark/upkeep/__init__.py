"""What syncing leaves behind in the tables, by how they are stored and how often vacuum comes.

compare  the comparison
storing  the ways to store and vacuum that are compared, and a table that has grown
sweeps   every open order synced, sweep after sweep
wear     dead rows, sizes and in-place updates, read from the server
"""
