"""The benchmark: the reconciler compared with its alternatives, on one machine in one run.

command        the command line of `scripts/bench`
suite          all comparisons, and their report
size           the size of a measurement
figures        a comparison as data: medians, spread, targets
rows           the orders that all contenders work on
processor_time  the processor time of processes
process_group  worker processes that begin together
rounds         the contenders' turns, round after round
machine        the machine and the versions
scaling        a model of larger loads
store          reconciling rows, with the exchange's answers already in memory
steady_state   the case that counts: 99 of 100 orders have not changed
end_to_end     reconciling rows, HTTP included
lookups        single look-ups, at several levels of concurrency
exchange_cost  request weight at the exchange
footprint      start-up, memory, and what is written
growth         the same with ever more of everything
upkeep         dead rows and bloat, by fillfactor and autovacuum

The scratch database and the measured sweep are in `reconciler.trial`, which `reconciler tune` uses
too.
"""
