"""Try numbers of shards and batch sizes on the user's own orders, without changing them.

session         a whole run, from the sample to the advice
sample          the open orders that every trial sweeps, also for the trials' exchange
latency         the latency of the user's exchange
scratch_copy    a copy of the sample, where a trial may really write
trial           one sweep with one number of shards and one batch size
trial_workload  the order workload as a trial runs it, with the time its workers wait and compute
trial_result    the result of a trial
bottleneck      the resource that limited a trial
advice          the recommended shards and batch size, and the reason
"""
