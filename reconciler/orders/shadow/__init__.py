"""The shadow: the order workload beside an application, for days, without a single write.

    planner    leaves out what was looked at lately, as if the looks had been written
    ledger     what would have been written, and what became of each change
    catch_up   whether a row has got where we would have put it: pure
    follower   a thread that reads these rows again and again
    shadow     the state that the planner, the follower and the report share
    workload   the workload: workers get an ordinary one in a dry run

All of it is in the supervisor's process: workers come and go.
"""
