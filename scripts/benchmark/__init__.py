"""The benchmark: the reconciler beside what one would use instead, on one machine in one run.

suite       every comparison there is, and the report of all
size        how much is measured
figures     what a comparison says: medians, spread, and whether a target was met
ground      the scratch database that everything is measured on, and when it is refused
rows        the orders, put back before every round and counted after it
team        worker processes that begin together; their start is never part of a time
rounds      everybody in turns, round after round
machine     where it was measured, with which versions
store       making rows true, the exchange's answers at hand
end_to_end  making rows true, HTTP included
lookups     asking for one order at a time, so many at once
exchange_cost  what asking weighs at the exchange
footprint   start-up, memory, and what is written
growth      the same with ever more of everything
upkeep      what syncing leaves behind, by fillfactor and autovacuum
"""
