"""Hand-made attacks that must be flagged, and customers that must not, as events of the fraud stream."""

from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]
SECOND, MINUTE = 1_000, 60_000
NO_FIELDS: Row = dict.fromkeys(
    (
        *("user_id", "device_id", "ip_hash", "product_id", "quantity", "price", "currency", "order_id", "payment_token", "coupon"),
        *("latitude", "longitude"),
    )
)
BERLIN: Row = {"latitude": 52.5, "longitude": 13.4}
MOSCOW: Row = {"latitude": 55.8, "longitude": 37.6}
NEW_YORK: Row = {"latitude": 40.7, "longitude": -74.0}


def event(event_id: str, event_type: str, time: int, **fields: Any) -> Row:
    """An event at `time` in ms since 1970 that arrives at once, if `fields` say nothing else."""
    times = {"event_time": time, "arrived_ms": time}
    return NO_FIELDS | {"event_id": event_id, "event_type": event_type, "session_id": "s", "schema_version": 1} | times | fields


def pay(event_id: str, time: int, card: str, refused: bool = False, **fields: Any) -> Row:
    """A purchase of 9.50 euro or a refused payment, in an order of its own."""
    payment = {"payment_token": card, "order_id": f"o-{event_id}", "quantity": 1, "price": 9.5, "currency": "EUR"}
    return event(event_id, "payment_failed" if refused else "purchase", time, **payment | fields)


def user(name: str) -> Row:
    """The fields of a user's own device."""
    return {"user_id": f"u-{name}", "device_id": f"d-{name}"}


def attacks(start: int) -> dict[str, list[Row]]:
    """Returns attacks by name, each as its events from `start` on, in ms since 1970."""
    takeover, victim, mobile = user("takeover") | {"ip_hash": "ip-takeover"}, user("berlin"), user("mobile")
    thief: Row = victim | {"device_id": "d-moscow"}
    carrier: Row = {"latitude": 51.4, "longitude": 12.3}
    return {
        "cards with fresh devices": [
            pay(f"fresh{i}", start + 20 * SECOND * i, f"fresh-{i}", i % 4 < 3, device_id=f"d-fresh{i}", ip_hash="ip-fresh")
            for i in range(40)
        ],
        "cards without a device": [pay(f"bare{i}", start + 20 * SECOND * i, f"bare-{i}", i % 4 < 3, ip_hash="ip-bare") for i in range(40)],
        "guesses on one card": [pay(f"guess{i}", start + 10 * SECOND * i, "guessed", True) for i in range(50)],
        "credential stuffing": [
            event(f"stuff{i}", "login_failed", start + SECOND * i, user_id=f"u-stuff{i // 2}", device_id=f"d-stuff{i}", ip_hash="ip-stuff")
            for i in range(400)
        ],
        "takeover in five lines": [
            *(event(f"taken{i}", "login_failed", start + 5 * SECOND * i, **takeover) for i in range(4)),
            event("taken-login", "login", start + 30 * SECOND, **takeover),
            event("taken-change", "profile_change", start + 50 * SECOND, **takeover),
            *(
                pay(f"taken-line{i}", start + 90 * SECOND, "owner", **takeover | {"order_id": "o-taken", "price": 90.0, "quantity": None})
                for i in range(5)
            ),
        ],
        "thief after an active victim": [
            *(event(f"active{i}", "add_to_cart", start + 5 * MINUTE * i, **victim | BERLIN) for i in range(24)),
            event("thief-login", "login", start + 120 * MINUTE, **thief | MOSCOW),
            pay("thief-buys", start + 122 * MINUTE, "stolen", **thief | MOSCOW),
        ],
        "thief of a mobile user": [
            event("mobile0", "login", start, **mobile | BERLIN),
            event("mobile1", "add_to_cart", start + 5 * MINUTE, **mobile | carrier),
            event("mobile-login", "login", start + 9 * MINUTE, **mobile | {"device_id": "d-thief"} | NEW_YORK),
            pay("mobile-buys", start + 11 * MINUTE, "mobile-card", **mobile | {"device_id": "d-thief"} | NEW_YORK),
        ],
        "thief without a device": [
            event("bare-home", "login", start, user_id="u-bare", session_id="s-home", **BERLIN),
            pay("bare-buys", start + 30 * MINUTE, "bare-card", user_id="u-bare", session_id="s-abroad", **NEW_YORK),
        ],
        "stuffing on one device": [
            event(f"own{i}", "login_failed", start + 20 * SECOND * i, user_id=f"u-own{i}", device_id="d-own", ip_hash=f"ip-own{i}")
            for i in range(8)
        ],
        "password guessing": [
            event(f"word{i}", "login_failed", start + 5 * SECOND * i, user_id="u-word", device_id=f"d-word{i}", ip_hash=f"ip-word{i}")
            for i in range(12)
        ],
        "returns": [
            *(
                event(f"back{i}", "refund", start + MINUTE * i, user_id="u-back", order_id=f"o-back{i}", quantity=1, price=9.5)
                for i in range(5)
            ),
            pay("back-buys", start + 10 * MINUTE, "back-card", user_id="u-back"),
        ],
    }


def good_customers(start: int) -> dict[str, list[Row]]:
    """Returns customers by name, each as events from `start` on, in ms since 1970; none of them may be flagged."""
    basket, carousel, fast, wallet, wallet_orders = (user(name) for name in ("basket12", "carousel", "fast", "wallet", "wallet-orders"))
    traveller, network, yen = (user(name) for name in ("traveller", "network", "yen"))
    return {
        "basket of 12": [
            event("b12-login", "login", start, **basket),
            *(pay(f"b12-{i}", start + 2 * SECOND, "b12", **basket | {"order_id": "o-b12"}) for i in range(12)),
        ],
        "carousel": [
            *(event(f"car{i}", "recommendation_impression", start, **carousel) for i in range(10)),
            pay("car-buys", start + 3 * SECOND, "car", **carousel),
        ],
        "phone with a fast clock": [
            *(
                event(f"fast{i}", "view_item" if i % 2 else "add_to_cart", start + 10 * MINUTE + 7 * SECOND * i, arrived_ms=start, **fast)
                for i in range(12)
            ),
            event("fast-login", "login", start + SECOND, **fast),
        ],
        "call centre": [
            row
            for i in range(5)
            for row in (
                *([pay(f"desk{i}-typo", start + 5 * MINUTE * i, f"desk-{i}", True, device_id="d-desk", user_id=f"u-desk{i}")] * (i % 2)),
                pay(f"desk{i}", start + 5 * MINUTE * i + MINUTE, f"desk-{i}", device_id="d-desk", user_id=f"u-desk{i}"),
            )
        ],
        "wallet": [pay(f"wallet{i}", start + MINUTE * i, f"wallet-{i}", i < 5, **wallet | {"order_id": "o-wallet"}) for i in range(6)],
        "wallet with an order for each try": [
            pay(f"wallets{i}", start + MINUTE * i, f"wallets-{i}", i < 5, **wallet_orders) for i in range(6)
        ],
        "office": [
            row
            for i in range(30)
            for row in (
                *([event(f"office{i}-typo", "login_failed", start + 20 * SECOND * i, **_worker(i))] * (i % 5 == 0)),
                event(f"office{i}", "login", start + 20 * SECOND * i + 5 * SECOND, **_worker(i)),
                *([pay(f"office{i}-buys", start + 20 * SECOND * i + 9 * SECOND, f"office-{i}", i == 9, **_worker(i))] * (i % 3 == 0)),
            )
        ],
        "family tablet": [
            row
            for i in range(5)
            for row in (
                event(f"tablet{i}-login", "login", start + 4 * MINUTE * i, user_id=f"u-tablet{i}", device_id="d-tablet"),
                pay(f"tablet{i}", start + 4 * MINUTE * i + MINUTE, f"tablet-{i}", user_id=f"u-tablet{i}", device_id="d-tablet"),
            )
        ],
        "traveller": [
            event("travel0", "login", start, **traveller | BERLIN),
            event("travel1", "login", start + 100 * MINUTE, **traveller | MOSCOW),
            pay("travel-buys", start + 110 * MINUTE, "travel", **traveller | MOSCOW),
        ],
        "private network": [
            event("network0", "login", start, **network | BERLIN),
            event("network1", "add_to_cart", start + 5 * MINUTE, **network | NEW_YORK),
            event("network2", "add_to_cart", start + 6 * MINUTE, **network | {"device_id": "d-tablet-of-network"} | BERLIN),
            pay("network-buys", start + 8 * MINUTE, "network", **network | NEW_YORK),
        ],
        "owner beside somebody who guesses": [
            *(
                event(f"owner{i}", "login_failed", start + 5 * SECOND * i, user_id="u-owner", device_id="d-owner", **BERLIN)
                for i in range(3)
            ),
            event("owner-login", "login", start + MINUTE, user_id="u-owner", device_id="d-owner", **BERLIN),
            pay("owner-buys", start + 2 * MINUTE, "owner-card", user_id="u-owner", device_id="d-owner", **BERLIN),
        ],
        "user whose password somebody abroad guesses": [
            *(
                event(f"tried{i}", "login_failed", start + 5 * SECOND * i, user_id="u-tried", device_id="d-guesser", **MOSCOW)
                for i in range(2)
            ),
            event("tried-login", "login", start + MINUTE, user_id="u-tried", device_id="d-tried", **BERLIN),
            pay("tried-buys", start + 2 * MINUTE, "tried-card", user_id="u-tried", device_id="d-tried", **BERLIN),
        ],
        "amount in yen": [
            *(event(f"yen{i}", "login_failed", start + 5 * SECOND * i, **yen) for i in range(3)),
            event("yen-login", "login", start + MINUTE, **yen),
            pay("yen-buys", start + 2 * MINUTE, "yen-card", **yen | {"price": 9000.0, "currency": "jpy"}),
        ],
    }


def _worker(number: int) -> Row:
    return {"user_id": f"u-office{number}", "device_id": f"d-office{number}", "ip_hash": "ip-office"}


def ids(rows: Iterable[Row]) -> set[str]:
    """Returns the event ids."""
    return {row["event_id"] for row in rows}
