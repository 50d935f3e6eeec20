"""Known answers: payloads as a broken or hostile sender makes them, each with the one place where it belongs."""

import json
from typing import Any, NamedTuple

ARRIVAL_MS = 1_767_312_000_000  # 2026-01-02T00:00:00Z
MINUTE_MS = 60_000
MAX_BYTES = 1_000_000


class Case(NamedTuple):
    """A Kafka value, the reason that keeps it out of raw.clicks ('' when it is a click), and words of the detail."""

    name: str
    payload: bytes | None
    reason: str = ""
    detail: str = ""


def event(**changes: Any) -> dict[str, Any]:
    """A valid event with some fields changed; `...` drops a field."""
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


def wire(**changes: Any) -> bytes:
    return json.dumps(event(**changes)).encode()


def literal(field: str, text: str) -> bytes:
    """A valid event in which `field` holds `text` exactly as written."""
    return wire(**{field: "@"}).replace(b'"@"', text.encode())


DEEP = "[" * 900 + "]" * 900
TOO_DEEP = "[" * 100_000 + "]" * 100_000

CLICKS = [
    Case("plain", wire()),
    Case("null user", wire(user_id=None)),
    Case("absent user", wire(user_id=...)),
    Case("unknown field", wire(colour="red")),
    Case("unknown nested field", wire(extra={"a": [1, {"b": None}]})),
    Case("deep unknown field", literal("extra", DEEP)),
    Case("space around", b" \r\n\t" + wire() + b"\n "),
    Case("umlauts, emoji, escapes", wire(search_query='Größe 🦊 \u2028 " \\ \u0000')),
    Case("raw UTF-8", json.dumps(event(search_query="Größe 🦊"), ensure_ascii=False).encode()),
    Case("escaped pair", literal("search_query", '"\\ud83e\\udd8a"')),
    Case("half a pair in an unknown name", wire()[:-1] + b', "\\udd8a": 1}'),
    Case("escaped name", wire().replace(b'"event_id"', b'"event\\u005fid"')),
    Case("number as text", wire(quantity="3", price="5.5")),
    Case("text as number", wire(event_id=12345, user_id=7)),
    Case("whole price", wire(price=20)),
    Case("price with an exponent", literal("price", "1.5e2")),
    Case("price with float noise", literal("price", "19.990000000000002")),
    Case("zero quantity", wire(quantity=0)),
    Case("longest id", wire(event_id="x" * 128)),
    Case("largest quantity", wire(quantity=10_000)),
    Case("edge of the world", wire(latitude=-90, longitude=180.0)),
    Case("first allowed day", wire(event_time=946_684_800_000)),
    Case("last allowed minute", wire(event_time=ARRIVAL_MS + 1440 * MINUTE_MS)),
    Case("bar in a text", wire(search_query="a|b")),
    Case("exactly the largest size", wire(extra="")[:-2] + b"x" * (MAX_BYTES - len(wire(extra=""))) + b'"}'),
]

NOT_JSON = [
    Case("tombstone", None, "not_json", "no value"),
    Case("empty", b"", "not_json"),
    Case("blank", b"  \n", "not_json"),
    Case("text", b"hello", "not_json"),
    Case("cut short", wire()[:-1], "not_json"),
    Case("cut inside a text", wire()[:20], "not_json"),
    Case("trailing brace", wire() + b"}", "not_json"),
    Case("trailing object", wire() + wire(), "not_json"),
    Case("trailing text", wire() + b" x", "not_json"),
    Case("array", b"[" + wire() + b"]", "not_json"),
    Case("bare null", b"null", "not_json"),
    Case("bare text", b'"x"', "not_json"),
    Case("bare number", b"1", "not_json"),
    Case("single quotes", wire().replace(b'"', b"'"), "not_json"),
    Case("trailing comma", wire()[:-1] + b",}", "not_json"),
    Case("comment", b"/* x */" + wire(), "not_json"),
    Case("NaN token", literal("price", "NaN"), "not_json"),
    Case("Infinity token", literal("latitude", "-Infinity"), "not_json"),
    Case("leading zero", literal("quantity", "007"), "not_json"),
    Case("plus sign", literal("quantity", "+7"), "not_json"),
    Case("hex number", literal("quantity", "0x7"), "not_json"),
    Case("bare word", literal("quantity", "many"), "not_json"),
    Case("line break in a text", literal("search_query", '"a\nb"'), "not_json"),
    Case("unknown escape", literal("search_query", '"\\x41"'), "not_json"),
    Case("duplicate name", wire()[:-1] + b', "event_id": "e-2"}', "not_json"),
    Case("duplicate of a null", b'{"user_id": null, ' + wire()[1:], "not_json"),
    Case("duplicate unknown name", wire()[:-1] + b', "a": 1, "a": 2}', "not_json"),
    Case("duplicate by escape", wire()[:-1] + b', "event\\u005fid": "e-2"}', "not_json"),
    Case("half a pair", literal("search_query", '"\\ud83e"'), "not_json"),
    Case("pair in wrong order", literal("search_query", '"\\udd8a\\ud83e"'), "not_json"),
    Case("byte order mark", b"\xef\xbb\xbf" + wire(), "not_json"),
    Case("UTF-16", wire().decode().encode("utf-16-le"), "not_json"),
    Case("UTF-32", wire().decode().encode("utf-32"), "not_json"),
    Case("Latin-1", json.dumps(event(search_query="Größe"), ensure_ascii=False).encode("latin-1"), "not_json"),
    Case("overlong slash", literal("search_query", '"@@"').replace(b"@@", b"\xc0\xaf"), "not_json"),
    Case("surrogate in bytes", literal("search_query", '"@@"').replace(b"@@", b"\xed\xa0\xbd"), "not_json"),
    Case("random bytes", bytes(range(256)), "not_json"),
    Case("zero bytes", b"\x00" * 50, "not_json"),
    Case("gzip", b"\x1f\x8b\x08\x00" + wire(), "not_json"),
    Case("too deep to parse", literal("extra", TOO_DEEP), "not_json"),
    Case("number of 100,000 digits", literal("quantity", "9" * 100_000), "not_json"),
]

WRONG = [
    Case("too large", wire(extra="x" * MAX_BYTES), "too_large", "bytes"),
    Case("5 MB", b"x" * 5_000_000, "too_large", "5000000 bytes"),
    Case("empty object", b"{}", "missing_field", "event_id"),
    Case("version 2", wire(schema_version=2), "unknown_version", "'2'"),
    Case("version as words", wire(schema_version="one"), "unknown_version", "'one'"),
    Case("version 1.0", literal("schema_version", "1.0"), "unknown_version", "'1.0'"),
    Case("version in an array", wire(schema_version=[1]), "unknown_version", "'[' is not 1"),
    Case("version wins over the rest", wire(schema_version=2, event_id=..., price="x"), "unknown_version"),
    Case("no version", wire(schema_version=...), "missing_field", "schema_version"),
    *[Case(f"no {f}", wire(**{f: ...}), "missing_field", f) for f in ("event_id", "event_type", "event_time", "session_id")],
    Case("null required field", wire(event_id=None), "missing_field", "event_id"),
    Case("empty required field", wire(session_id=""), "missing_field", "session_id"),
    Case("missing wins over type", wire(event_id=..., price="x"), "missing_field", "event_id"),
    Case("price in words", wire(price="abc"), "bad_type", "price: 'abc' is no decimal(18,2)"),
    Case("true as price", literal("price", "true"), "bad_type", "price: 'true'"),
    Case("NaN as text", wire(latitude="NaN"), "bad_type", "latitude: 'NaN'"),
    Case("Infinity as text", wire(longitude="Infinity"), "bad_type", "longitude"),
    Case("Java's own double", wire(latitude="1d"), "bad_type", "latitude: '1d'"),
    Case("empty number", wire(price=""), "bad_type", "price: ''"),
    Case("decimal comma", wire(price="1,5"), "bad_type", "price: '1,5'"),
    Case("price larger than the column", literal("price", "1e20"), "bad_type", "price"),
    Case("price with a giant exponent", literal("price", "1e999999999"), "bad_type", "price: '1e999999999'"),
    Case("price with a tiny exponent", literal("price", "1e-999999999"), "bad_type", "price"),
    Case("price of a thousand digits", wire(price="9" * 200_000), "bad_type", "price"),
    Case("half a piece", wire(quantity=1.5), "bad_type", "quantity: '1.5' is no long"),
    Case("float as int", literal("quantity", "2.0"), "bad_type", "quantity: '2.0'"),
    Case("exponent as int", literal("quantity", "1e3"), "bad_type", "quantity: '1e3'"),
    Case("spaces as int", wire(quantity=" 2 "), "bad_type", "quantity: ' 2 '"),
    Case("int beyond 64 bits", literal("quantity", "9223372036854775808"), "bad_type", "quantity"),
    Case("huge int", literal("event_time", "9" * 300), "bad_type", "event_time"),
    Case("time as text", wire(event_time="2026-01-02T00:00:00Z"), "bad_type", "event_time"),
    Case("object as text", wire(user_id={"id": 1}), "bad_type", "user_id: an object or array"),
    Case("object as required text", wire(session_id={"id": 1}), "bad_type", "session_id"),
    Case("array as number", wire(quantity=[2]), "bad_type", "quantity"),
    Case("array of a deep tree", literal("user_id", DEEP), "bad_type", "user_id"),
    Case("type wins over value", wire(event_type="dance", price="x"), "bad_type", "price"),
    Case("unknown type of event", wire(event_type="dance"), "bad_value", "event_type: 'dance'"),
    Case("negative price", wire(price=-0.01), "bad_value", "price: '-0.01' is not from 0 to 1000000000"),
    Case("negative quantity", wire(quantity=-1), "bad_value", "quantity"),
    Case("quantity too large", wire(quantity=10_001), "bad_value", "is not from 0 to 10000"),
    Case("north of the pole", wire(latitude=90.0001), "bad_value", "latitude"),
    Case("currency too long", wire(currency="EURO"), "bad_value", "currency: 'EURO' is longer than 3"),
    Case("id too long", wire(event_id="x" * 129), "bad_value", "event_id"),
    Case("value wins over time", wire(event_type="dance", event_time=0), "bad_value", "event_type"),
    Case("1970", wire(event_time=0), "time_out_of_range", "event_time: '0'"),
    Case("before 1970", wire(event_time=-1), "time_out_of_range", "'-1'"),
    Case("seconds instead of milliseconds", wire(event_time=ARRIVAL_MS // 1000), "time_out_of_range"),
    Case("microseconds", wire(event_time=ARRIVAL_MS * 1000), "time_out_of_range"),
    Case("last of the old days", wire(event_time=946_684_799_999), "time_out_of_range"),
    Case("2100", wire(event_time=4_102_444_800_000), "time_out_of_range"),
    Case("a millisecond too late", wire(event_time=ARRIVAL_MS + 1440 * MINUTE_MS + 1), "time_out_of_range"),
    Case("end of 64 bits", wire(event_time=2**63 - 1), "time_out_of_range"),
    Case("start of 64 bits", wire(event_time=-(2**63)), "time_out_of_range"),
]

ALL = CLICKS + NOT_JSON + WRONG
