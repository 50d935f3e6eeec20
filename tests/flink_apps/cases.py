"""Payloads that a broken or hostile sender may produce, each with the table that it belongs to."""

import json
from typing import Any, NamedTuple

ARRIVAL_MS = 1_767_312_000_000  # 2026-01-02T00:00:00Z
MINUTE_MS = 60_000
MAX_BYTES = 1_000_000


class Case(NamedTuple):
    """A Kafka value, its reason in raw.quarantine ('' when it is a valid click), and a part of the detail."""

    name: str
    payload: bytes | None
    reason: str = ""
    detail: str = ""


def event(**changes: Any) -> dict[str, Any]:
    """Returns a valid event with some fields changed; `...` removes a field."""
    base = {
        "event_id": "e-1",
        "event_type": "purchase",
        "event_time": ARRIVAL_MS,
        "user_id": "u-1",
        "session_id": "s-1",
        "quantity": 2,
        "price": 19.99,
        "currency": "EUR",
        "country": "DE",
        "latitude": 52.52,
        "longitude": 13.4,
        "schema_version": 1,
    }
    return {key: value for key, value in (base | changes).items() if value is not ...}


def payload(**changes: Any) -> bytes:
    """Returns the JSON of a valid event with some fields changed."""
    return json.dumps(event(**changes)).encode()


def payload_with(field: str, text: str) -> bytes:
    """Returns the JSON of a valid event in which the value of `field` is exactly `text`."""
    return payload(**{field: "@"}).replace(b'"@"', text.encode())


DEEP = "[" * 900 + "]" * 900
TOO_DEEP = "[" * 100_000 + "]" * 100_000

CLICKS = [
    Case("plain", payload()),
    Case("null user", payload(user_id=None)),
    Case("absent user", payload(user_id=...)),
    Case("unknown field", payload(colour="red")),
    Case("unknown nested field", payload(extra={"a": [1, {"b": None}]})),
    Case("deep unknown field", payload_with("extra", DEEP)),
    Case("space around", b" \r\n\t" + payload() + b"\n "),
    Case("umlauts, emoji, escapes", payload(search_query='Größe 🦊 \u2028 " \\ \u0000')),
    Case("raw UTF-8", json.dumps(event(search_query="Größe 🦊"), ensure_ascii=False).encode()),
    Case("escaped pair", payload_with("search_query", '"\\ud83e\\udd8a"')),
    Case("half a pair in an unknown name", payload()[:-1] + b', "\\udd8a": 1}'),
    Case("escaped name", payload().replace(b'"event_id"', b'"event\\u005fid"')),
    Case("number as text", payload(quantity="3", price="5.5")),
    Case("text as number", payload(event_id=12345, user_id=7)),
    Case("whole price", payload(price=20)),
    Case("price with an exponent", payload_with("price", "1.5e2")),
    Case("price with float noise", payload_with("price", "19.990000000000002")),
    Case("price with float noise below", payload_with("price", "19.98999999999999")),
    Case("price with zeros at its end", payload_with("price", "19.9900000")),
    Case("price with an exponent and two decimals", payload_with("price", "1999e-2")),
    Case("price of nothing but noise", payload_with("price", "4.5e-13")),
    Case("zero quantity", payload(quantity=0)),
    Case("longest id", payload(event_id="x" * 128)),
    Case("largest quantity", payload(quantity=10_000)),
    Case("edge of the world", payload(latitude=-90, longitude=180.0)),
    Case("first allowed day", payload(event_time=946_684_800_000)),
    Case("last allowed minute", payload(event_time=ARRIVAL_MS + 1440 * MINUTE_MS)),
    Case("bar in a text", payload(search_query="a|b")),
    Case("exactly the largest size", payload(extra="")[:-2] + b"x" * (MAX_BYTES - len(payload(extra=""))) + b'"}'),
]

NOT_JSON = [
    Case("tombstone", None, "not_json", "no value"),
    Case("empty", b"", "not_json"),
    Case("blank", b"  \n", "not_json"),
    Case("text", b"hello", "not_json"),
    Case("cut short", payload()[:-1], "not_json"),
    Case("cut inside a text", payload()[:20], "not_json"),
    Case("trailing brace", payload() + b"}", "not_json"),
    Case("trailing object", payload() + payload(), "not_json"),
    Case("trailing text", payload() + b" x", "not_json"),
    Case("array", b"[" + payload() + b"]", "not_json"),
    Case("bare null", b"null", "not_json"),
    Case("bare text", b'"x"', "not_json"),
    Case("bare number", b"1", "not_json"),
    Case("single quotes", payload().replace(b'"', b"'"), "not_json"),
    Case("trailing comma", payload()[:-1] + b",}", "not_json"),
    Case("comment", b"/* x */" + payload(), "not_json"),
    Case("NaN token", payload_with("price", "NaN"), "not_json"),
    Case("Infinity token", payload_with("latitude", "-Infinity"), "not_json"),
    Case("leading zero", payload_with("quantity", "007"), "not_json"),
    Case("plus sign", payload_with("quantity", "+7"), "not_json"),
    Case("hex number", payload_with("quantity", "0x7"), "not_json"),
    Case("bare word", payload_with("quantity", "many"), "not_json"),
    Case("line break in a text", payload_with("search_query", '"a\nb"'), "not_json"),
    Case("unknown escape", payload_with("search_query", '"\\x41"'), "not_json"),
    Case("duplicate name", payload()[:-1] + b', "event_id": "e-2"}', "not_json"),
    Case("duplicate of a null", b'{"user_id": null, ' + payload()[1:], "not_json"),
    Case("duplicate unknown name", payload()[:-1] + b', "a": 1, "a": 2}', "not_json"),
    Case("duplicate by escape", payload()[:-1] + b', "event\\u005fid": "e-2"}', "not_json"),
    Case("half a pair", payload_with("search_query", '"\\ud83e"'), "not_json"),
    Case("pair in wrong order", payload_with("search_query", '"\\udd8a\\ud83e"'), "not_json"),
    Case("byte order mark", b"\xef\xbb\xbf" + payload(), "not_json"),
    Case("UTF-16", payload().decode().encode("utf-16-le"), "not_json"),
    Case("UTF-32", payload().decode().encode("utf-32"), "not_json"),
    Case("Latin-1", json.dumps(event(search_query="Größe"), ensure_ascii=False).encode("latin-1"), "not_json"),
    Case("overlong slash", payload_with("search_query", '"@@"').replace(b"@@", b"\xc0\xaf"), "not_json"),
    Case("surrogate in bytes", payload_with("search_query", '"@@"').replace(b"@@", b"\xed\xa0\xbd"), "not_json"),
    Case("random bytes", bytes(range(256)), "not_json"),
    Case("zero bytes", b"\x00" * 50, "not_json"),
    Case("gzip", b"\x1f\x8b\x08\x00" + payload(), "not_json"),
    Case("too deep to parse", payload_with("extra", TOO_DEEP), "not_json"),
    Case("number of 100,000 digits", payload_with("quantity", "9" * 100_000), "not_json"),
]

INVALID = [
    Case("too large", payload(extra="x" * MAX_BYTES), "too_large", "bytes"),
    Case("5 MB", b"x" * 5_000_000, "too_large", "5000000 bytes"),
    Case("empty object", b"{}", "missing_field", "event_id"),
    Case("version 2", payload(schema_version=2), "unknown_version", "'2'"),
    Case("version as words", payload(schema_version="one"), "unknown_version", "'one'"),
    Case("version 1.0", payload_with("schema_version", "1.0"), "unknown_version", "'1.0'"),
    Case("version in an array", payload(schema_version=[1]), "unknown_version", "'[' is not 1"),
    Case("version wins over the rest", payload(schema_version=2, event_id=..., price="x"), "unknown_version"),
    Case("no version", payload(schema_version=...), "missing_field", "schema_version"),
    *[Case(f"no {f}", payload(**{f: ...}), "missing_field", f) for f in ("event_id", "event_type", "event_time", "session_id")],
    Case("null required field", payload(event_id=None), "missing_field", "event_id"),
    Case("empty required field", payload(session_id=""), "missing_field", "session_id"),
    Case("missing wins over type", payload(event_id=..., price="x"), "missing_field", "event_id"),
    Case("price in words", payload(price="abc"), "bad_type", "price: 'abc' is no decimal(18,2)"),
    Case("true as price", payload_with("price", "true"), "bad_type", "price: 'true'"),
    Case("NaN as text", payload(latitude="NaN"), "bad_type", "latitude: 'NaN'"),
    Case("Infinity as text", payload(longitude="Infinity"), "bad_type", "longitude"),
    Case("Java's own double", payload(latitude="1d"), "bad_type", "latitude: '1d'"),
    Case("empty number", payload(price=""), "bad_type", "price: ''"),
    Case("decimal comma", payload(price="1,5"), "bad_type", "price: '1,5'"),
    Case("price larger than the column", payload_with("price", "1e20"), "bad_type", "price"),
    Case("price with a giant exponent", payload_with("price", "1e999999999"), "bad_type", "price: '1e999999999'"),
    Case("price with a tiny exponent", payload_with("price", "1e-999999999"), "bad_type", "price"),
    Case("price of a thousand digits", payload(price="9" * 200_000), "bad_type", "price"),
    Case("half a piece", payload(quantity=1.5), "bad_type", "quantity: '1.5' is no long"),
    Case("float as int", payload_with("quantity", "2.0"), "bad_type", "quantity: '2.0'"),
    Case("exponent as int", payload_with("quantity", "1e3"), "bad_type", "quantity: '1e3'"),
    Case("spaces as int", payload(quantity=" 2 "), "bad_type", "quantity: ' 2 '"),
    Case("int beyond 64 bits", payload_with("quantity", "9223372036854775808"), "bad_type", "quantity"),
    Case("huge int", payload_with("event_time", "9" * 300), "bad_type", "event_time"),
    Case("time as text", payload(event_time="2026-01-02T00:00:00Z"), "bad_type", "event_time"),
    Case("object as text", payload(user_id={"id": 1}), "bad_type", "user_id: an object or array"),
    Case("object as required text", payload(session_id={"id": 1}), "bad_type", "session_id"),
    Case("array as number", payload(quantity=[2]), "bad_type", "quantity"),
    Case("array of a deep tree", payload_with("user_id", DEEP), "bad_type", "user_id"),
    Case("type wins over value", payload(event_type="dance", price="x"), "bad_type", "price"),
    Case("unknown type of event", payload(event_type="dance"), "bad_value", "event_type: 'dance'"),
    Case("negative price", payload(price=-0.01), "bad_value", "price: '-0.01' is not from 0 to 1000000000"),
    Case("price in Kuwaiti dinars", payload(price=1.234, currency="KWD"), "bad_value", "price: '1.234' has more than 2 decimals"),
    Case("price of a screw", payload_with("price", "0.001"), "bad_value", "price: '0.001' has more than 2 decimals"),
    Case("half a cent", payload_with("price", "19.995"), "bad_value", "price: '19.995' has more than 2 decimals"),
    Case("price of a third", payload_with("price", "3.3333333333333335"), "bad_value", "price: '3.3333333333333335' has more"),
    Case("three decimals by an exponent", payload_with("price", "1234e-3"), "bad_value", "price: '1234e-3' has more than 2 decimals"),
    Case("three decimals as text", payload(price="1.234"), "bad_value", "price: '1.234' has more than 2 decimals"),
    Case("largest price with three decimals", payload_with("price", "999999999.999"), "bad_value", "price: '999999999.999' has more"),
    Case("negative price that would be rounded to 0", payload_with("price", "-0.001"), "bad_value", "price: '-0.001'"),
    Case("negative quantity", payload(quantity=-1), "bad_value", "quantity"),
    Case("quantity too large", payload(quantity=10_001), "bad_value", "is not from 0 to 10000"),
    Case("north of the pole", payload(latitude=90.0001), "bad_value", "latitude"),
    Case("currency too long", payload(currency="EURO"), "bad_value", "currency: 'EURO' is longer than 3"),
    Case("id too long", payload(event_id="x" * 129), "bad_value", "event_id"),
    Case("value wins over time", payload(event_type="dance", event_time=0), "bad_value", "event_type"),
    Case("1970", payload(event_time=0), "time_out_of_range", "event_time: '0'"),
    Case("before 1970", payload(event_time=-1), "time_out_of_range", "'-1'"),
    Case("seconds instead of milliseconds", payload(event_time=ARRIVAL_MS // 1000), "time_out_of_range"),
    Case("microseconds", payload(event_time=ARRIVAL_MS * 1000), "time_out_of_range"),
    Case("last of the old days", payload(event_time=946_684_799_999), "time_out_of_range"),
    Case("2100", payload(event_time=4_102_444_800_000), "time_out_of_range"),
    Case("a millisecond too late", payload(event_time=ARRIVAL_MS + 1440 * MINUTE_MS + 1), "time_out_of_range"),
    Case("end of 64 bits", payload(event_time=2**63 - 1), "time_out_of_range"),
    Case("start of 64 bits", payload(event_time=-(2**63)), "time_out_of_range"),
]

ALL = CLICKS + NOT_JSON + INVALID
