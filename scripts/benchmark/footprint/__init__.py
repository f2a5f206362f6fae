"""What it costs to have it running: start-up, memory, write-ahead log, dead rows, round trips.

compare      the comparison
processes    start-up and memory, of the real command
writes       log bytes, dead rows and round trips, of the ways to make rows true
"""
