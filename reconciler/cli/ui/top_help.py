"""The help of `top`: its keys, and what its columns and lines mean. Pure."""

from rich.text import Text

KEYS = (
    ("s", "sort the shards by the next column"),
    ("r", "reverse the order"),
    ("p", "pause, and continue (also the space bar)"),
    ("?", "this help; any key closes it"),
    ("q", "quit (also Ctrl-C)"),
)
MEANINGS = (
    ("verdict", "as of reconciler health, with what to type for each reason"),
    ("backlog", "orders that were not synced for RECONCILIATION_STALE_MINUTES"),
    ("budget", "what is used of our share of the exchange's limit; of several, the tightest"),
    ("holds", "orders that need time or a person: reconciler holds list"),
    ("state", "of the shard's worker; parked: its workers kept dying"),
    ("queued", "orders that wait for the shard"),
    ("in flight", "orders that its worker is at work on"),
    ("done/s", "orders finished a second, over the last ten seconds"),
    ("breaker", "its circuit breaker; if open, the time until the next probe"),
    ("deaths", "of its workers, as counted for parking"),
)


def help_lines() -> list[Text]:
    """Return the help, line by line."""
    width = max(len(name) for name, _ in (*KEYS, *MEANINGS))
    return [
        Text("keys", style="bold"),
        *(Text.assemble((f"{key:>{width}}", "bold"), f"  {does}") for key, does in KEYS),
        Text(),
        Text("what is shown", style="bold"),
        *(Text.assemble((f"{name:>{width}}", "bold"), f"  {what}") for name, what in MEANINGS),
        Text(),
        Text("A wider screen shows more columns, and a higher one more lines."),
        Text("More: docs/reference/commands.md"),
    ]
