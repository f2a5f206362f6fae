"""Time zones by their names in the tz database, as PostgreSQL knows them too."""

from zoneinfo import available_timezones

from reconciler.config_file.document import nearest_name

_OF_THIS_MACHINE = "localtime"


def is_zone(name: str) -> bool:
    """Return True if there is a time zone with this name, or if this machine knows none at all."""
    zones = available_timezones()
    return not zones or name in zones - {_OF_THIS_MACHINE}


def nearest_zone(name: str) -> str | None:
    """Return the zone whose name is most like this, if any is."""
    zones = available_timezones()
    by_city = {zone.rpartition("/")[2]: zone for zone in sorted(zones)}
    found = nearest_name(name, zones) or nearest_name(name.rpartition("/")[2], by_city)
    return by_city.get(found, found) if found else None
