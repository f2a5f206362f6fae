"""The shadow: the order workload next to an application, for days, without a single write.

    workload       the workload: workers get an ordinary one in a dry run
    planner        leaves out what was looked at lately, as if the looks had been written
    follower       a thread that reads the rows of changes again and again
    state          what the planner, the follower and the report share
    ledger         what would have been written, and what became of each change
    recent_looks   when each order was looked at
    catch_up       whether a row has got where we would have put it
    delays         how much later the application got there

All of it is in the supervisor's process: workers come and go.
"""
