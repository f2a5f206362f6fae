"""The port to exchanges, the adapters, and the query plan and request policy that they share."""
