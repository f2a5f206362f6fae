"""The cost of running it: start-up, memory, write-ahead log, dead rows, round trips.

compare      the comparison
processes    start-up and memory, of the real command
writes       log bytes, dead rows and round trips, of each way to reconcile rows
"""
