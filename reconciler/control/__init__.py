"""The control socket: how commands of the same user reach the running supervisor."""
