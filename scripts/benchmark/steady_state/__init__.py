"""The steady state: 99 of 100 orders are as their rows say.

compare      the comparison: all ways of working, a whole sweep, and what fifty sweeps leave
meters       what the server has written so far
whole_sweep  the supervisor and its workers end to end, HTTP included
sweeps       fifty sweeps over the same rows: log, HOT updates, growth of each index
"""
