"""How many shards and which batch size: tried out on the user's own orders, never changing one.

course      all of it, from the sample to the advice
sample      the open orders that every trial sweeps, and the same as the trials' exchange has them
latency     how long the user's exchange takes to answer
scratch     a copy of the sample, where a trial may really write
rehearsal   the order workload as a trial runs it, and where its workers' time goes
trial       one sweep with one number of shards and one batch size
outcome     what a trial has shown
limits      which resource limited it
advice      what to set, and why
"""
