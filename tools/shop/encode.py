"""Encodes the simulator's rows as Kafka records: event ids, keys and JSON values."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from clickstream_contracts import names
from tools.kafka.producer import Records
from tools.ledger.record_kinds import BROKEN, KINDS, kind_code
from tools.shop import calibration as c
from tools.shop.broken_records import broken_value
from tools.shop.chance import hashed
from tools.shop.rows import TYPES, Bools, Rows
from tools.shop.world import World

COLUMNS = (
    "event_id", "event_type", "event_time", "user_id", "session_id", "device_id", "product_id", "quantity", "price",
    "currency", "ip_hash", "country", "latitude", "longitude", "user_agent", "referrer", "schema_version",
    "producer",
)  # fmt: skip
PRODUCER = "shop-simulator"
FIRST_BROKEN, LAST_BROKEN = kind_code(next(iter(BROKEN))), kind_code(list(BROKEN)[-1])
# Positions in an entry of calibration.PLACES.
LATITUDE, LONGITUDE = 3, 4
Objects = NDArray[np.object_]


def _objects(values: list[str | None]) -> Objects:
    return np.array(values, dtype=object)


def _null_unless(has_value: Bools, values: NDArray[Any]) -> list[Any]:
    """Returns `values` as Python objects, None where `has_value` is false."""
    objects = values.astype(object)
    objects[~has_value] = None
    return list(objects.tolist())


@dataclass(frozen=True)
class Encoder:
    """Encodes rows as Kafka records. Texts that many events share are made once."""

    world: World

    @cached_property
    def _users(self) -> Objects:
        return _objects([f"u-{i}" for i in range(self.world.people)])

    @cached_property
    def _products(self) -> Objects:
        # Index -1, the last entry, means no product.
        return _objects([*(f"p-{i}" for i in range(self.world.products)), None])

    @cached_property
    def _places(self) -> dict[str, Objects]:
        return {"country": _objects([p[1] for p in c.PLACES]), "currency": _objects([p[2] for p in c.PLACES])}

    def records(self, rows: Rows) -> Records:
        """Returns the records of `rows`, in their order."""
        values_by_column = self._identity(rows) | self._product(rows) | self._origin(rows)
        columns = [values_by_column[name] for name in COLUMNS]
        events = [dict(zip(COLUMNS, values, strict=True)) for values in zip(*columns, strict=True)]
        self._add_rare_fields(rows, events)
        values: list[bytes | None] = [orjson.dumps(event) for event in events]
        for i in np.flatnonzero((rows["kind"] >= FIRST_BROKEN) & (rows["kind"] <= LAST_BROKEN)).tolist():
            values[i] = broken_value(KINDS[rows["kind"][i]], events[i])
        kinds = [KINDS[k] for k in rows["kind"].tolist()]
        keys = [key.encode() for key in values_by_column["session_id"]]
        return Records(values_by_column["event_id"], kinds, keys, values)

    def _identity(self, rows: Rows) -> dict[str, list[Any]]:
        hex_ids = rows["id"].tobytes().hex()
        return {
            "event_id": [hex_ids[i : i + 32] for i in range(0, len(hex_ids), 32)],
            "event_type": _objects(list(TYPES))[rows["type"]].tolist(),
            "event_time": rows["time"].tolist(),
            "user_id": _null_unless(rows["signed_in"], self._users[rows["person"]]),
            "session_id": [f"s-{x:x}" for x in rows["session"].tolist()],
            "device_id": [f"d-{x:x}" for x in rows["device"].tolist()],
            "schema_version": [names.EVENT_VERSION] * len(rows),
            "producer": [PRODUCER] * len(rows),
        }

    def _product(self, rows: Rows) -> dict[str, list[Any]]:
        has_product = rows["product"] >= 0
        return {
            "product_id": self._products[rows["product"]].tolist(),
            "quantity": _null_unless(has_product, rows["quantity"]),
            "price": _null_unless(has_product, rows["cents"] / 100),
            "currency": _null_unless(has_product, self._places["currency"][self.world.home_place[rows["person"]]]),
        }

    def _origin(self, rows: Rows) -> dict[str, list[Any]]:
        seed, place = self.world.seed, rows["place"]
        address = (hashed(seed + 4, rows["address"].astype(np.int64)) * 2**40).astype(np.int64)
        latitude, longitude = (np.array([p[i] for p in c.PLACES])[place] for i in (LATITUDE, LONGITUDE))
        agent = (hashed(seed + 5, rows["device"].astype(np.int64)) * len(c.USER_AGENTS)).astype(np.int64)
        return {
            "ip_hash": [f"ip-{x:x}" for x in address.tolist()],
            "country": self._places["country"][place].tolist(),
            "latitude": np.round(latitude + (address % 1000) / 5000 - 0.1, 2).tolist(),
            "longitude": np.round(longitude + (address // 1000 % 1000) / 5000 - 0.1, 2).tolist(),
            "user_agent": _objects(list(c.USER_AGENTS))[agent].tolist(),
            "referrer": _objects([*(r or None for r in c.REFERRERS), None])[rows["referrer"]].tolist(),
        }

    def _add_rare_fields(self, rows: Rows, events: list[dict[str, Any]]) -> None:
        """Add the fields that only few events have."""
        for i in np.flatnonzero(rows["order"]).tolist():
            events[i]["order_id"] = f"o-{rows['order'][i]:x}"
            events[i]["payment_token"] = f"pt-{rows['payment'][i]:x}" if rows["payment"][i] else None
        for i in np.flatnonzero(rows["coupon"] >= 0).tolist():
            events[i]["coupon"] = c.COUPONS[rows["coupon"][i]]
        for i in np.flatnonzero(rows["query"] >= 0).tolist():
            events[i]["search_query"] = search_query(int(rows["query"][i]))


def search_query(number: int) -> str:
    """Returns the search text for a shelf and department by their number."""
    return f"{c.SHELVES[number % len(c.SHELVES)]} {c.DEPARTMENTS[number // len(c.SHELVES)]}"
