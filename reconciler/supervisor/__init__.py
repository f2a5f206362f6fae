"""The parent process: plan, hand out, watch, restart."""
