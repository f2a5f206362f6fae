"""Find out whether something listens at StatsD's address, as far as UDP tells."""

import socket

from reconciler.statsd_target import StatsdTarget
from reconciler.telemetry.statsd_resolver import look_up, preferred

REFUSAL_SECONDS = 0.2
"""How long a refusal may take. A host that drops packets never refuses."""


def find_fault(target: StatsdTarget) -> str | None:
    """Return why no metric can arrive at `target`, which has a host; None if none is known.

    Waits for the name server, and then for a refusal of an empty packet.
    """
    try:
        address = preferred(look_up(str(target.host), target.port))
    except (OSError, UnicodeError) as error:
        return f"{target.host!r} cannot be found ({error})"
    try:
        family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.settimeout(REFUSAL_SECONDS)
            probe.connect((address.host, address.port))
            probe.send(b"")
            probe.recv(1)
    except TimeoutError:
        return None
    except OSError as error:
        return f"nothing takes metrics at {target.host}, UDP port {target.port} ({error})"
    return None
