"""Places of events, for the second implementation of the fraud rules."""

from math import asin, cos, floor, radians, sin, sqrt
from typing import Any


def cell(event: dict[str, Any]) -> dict[str, Any]:
    """Returns the place of an event rounded to 0.1 degrees."""
    return {name: floor(event[name] * 10 + 0.5) / 10 for name in ("latitude", "longitude")}


def distance(first: dict[str, Any], second: dict[str, Any]) -> int:
    """Returns the whole kilometres between two events: haversine on a sphere of 6,371 km."""
    first_latitude, second_latitude = radians(first["latitude"]), radians(second["latitude"])
    longitudes = radians(second["longitude"] - first["longitude"])
    haversine = sin((second_latitude - first_latitude) / 2) ** 2 + cos(first_latitude) * cos(second_latitude) * sin(longitudes / 2) ** 2
    return int(12742 * asin(sqrt(haversine)))
