"""The order workload: plan stale orders, ask the exchange about them, decide, write."""
