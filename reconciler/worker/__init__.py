"""The child process: one batch after another, fetch, decide, apply."""
