"""The control socket: how commands of the same user speak to a running supervisor."""
