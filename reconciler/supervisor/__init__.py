"""The supervisor: plan cycles, dispatch batches, watch the workers, restart them."""
