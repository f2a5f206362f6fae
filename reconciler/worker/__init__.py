"""The generic worker process: one batch after another, prepared, then committed."""
