"""Random and mutated Kafka values, the same for the same seed."""

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.flink_apps.cases import ARRIVAL_MS, MINUTE_MS, event

VALUES: tuple[Any, ...] = (
    *(None, True, "", " ", "NaN", "-0", "1e400", "\u0000", "\ud800", 0, -1, 1.5),
    *(10**30, -(2**63), 2**63, 1e308, [], {}, [[1]], {"a": {}}),
)
LONG = 5000


def random_records(seed: int, count: int) -> Iterator[bytes | None]:
    """Yields random bytes, random texts, and valid events of which bytes, fields or values were changed."""
    rng = random.Random(seed)
    kinds = (random_bytes, random_text, changed_bytes, changed_fields, changed_fields, unchanged)
    for number in range(count):
        yield None if number % 1000 == 999 else rng.choice(kinds)(rng)


def random_bytes(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 2, 10, 100, LONG)))


def random_text(rng: random.Random) -> bytes:
    return "".join(rng.choice('{}[]",:\\u0123456789eE+-. \n\tnulltruefalseäß\u2028🦊') for _ in range(rng.choice((1, 5, 50, 500)))).encode()


def changed_bytes(rng: random.Random) -> bytes:
    """Returns an event of which some bytes are replaced, removed or repeated."""
    text = bytearray(unchanged(rng))
    for _ in range(rng.randint(1, 4)):
        position = rng.randrange(len(text))
        match rng.randrange(3):
            case 0:
                text[position] = rng.randrange(256)
            case 1:
                del text[position : position + rng.randint(1, 20)]
            case _:
                text[position:position] = text[position : position + rng.randint(1, 20)]
        if not text:
            break
    return bytes(text)


def changed_fields(rng: random.Random) -> bytes:
    """Returns an event of which some fields are missing, renamed or have a strange value."""
    changed = valid(rng)
    for name in rng.sample(sorted(changed), rng.randint(1, 3)):
        match rng.randrange(4):
            case 0:
                del changed[name]
            case 1:
                changed[name + "x"] = changed.pop(name)
            case 2:
                changed[name] = rng.choice(VALUES)
            case _:
                changed[name] = "x" * rng.choice((1, 127, 129, LONG))
    return json.dumps(changed, ensure_ascii=rng.random() < 0.5).encode(errors="surrogatepass")


def unchanged(rng: random.Random) -> bytes:
    return json.dumps(valid(rng), ensure_ascii=False).encode()


def valid(rng: random.Random) -> dict[str, Any]:
    """Returns a valid event of a random day since 2000."""
    days = rng.randrange(9000)
    return event(event_id=f"e{rng.getrandbits(64)}", event_time=ARRIVAL_MS - days * 1440 * MINUTE_MS, search_query="Größe 🦊")
