"""Let workers share the fork server's memory. Imported there last, for its side effects.

They share it until one of them writes to it. So all objects loaded by now are hidden from the
garbage collector: a full collection writes to every object that it visits, and the first one would
leave each worker with a copy of most of the shared memory. The collector, which was off during the
imports, goes on.

Of a worker's own memory, glibc keeps no more than is used.
"""

import gc

from reconciler.small_memory import keep_heaps_small

keep_heaps_small()
gc.collect()
gc.freeze()
gc.enable()
