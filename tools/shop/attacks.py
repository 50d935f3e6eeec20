"""Simulated attacks, and legitimate lookalikes of them. Their rows carry a label; the events that are sent do not."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from tools.shop import calibration as c
from tools.shop.labels import KINDS, pack
from tools.shop.rows import ROW, Rows, type_code
from tools.shop.shoppers import Window, set_prices
from tools.shop.stream import Source
from tools.shop.world import World

# Devices, addresses and cards of attackers are numbered from here on, so no ordinary shopper has them.
FIRST_ATTACKER_NUMBER = 1_000_000_000
FIRST_STOLEN_CARD = 2**31
UNSET = {"product": -1, "coupon": -1, "query": -1, "referrer": -1}


def attackers(each: int) -> Source:
    """Returns a source of traffic: in each window `each` attacks of every kind, and as many groups of each lookalike."""

    def events(world: World, window: Window, rng: Generator) -> Rows:
        attacks = [_attack(world, window, rng, kind, number) for kind in KINDS for number in range(each)]
        return np.concatenate([np.zeros(0, ROW), *attacks])

    return Source("attackers", events)


def _attack(world: World, window: Window, rng: Generator, kind: str, number: int) -> Rows:
    """Returns the rows of one attack at a random time of the window, with prices and labels."""
    # Every second attack of a day is spread over a longer time; a live window is too short for that.
    spread = bool(number % 2) and window.is_day
    builder = AttackBuilder(world, rng, spread)
    GENERATORS[kind](builder)
    rows = builder.rows()
    length = int(rows["time"].max())
    rows["time"] += window.start + int(rng.random() * max(1, window.length - length))
    has_product = rows["product"] >= 0
    priced = rows[has_product]
    set_prices(world, priced, np.full(len(priced), -1))
    rows["cents"][has_product] = priced["cents"]
    rows["label"] = np.where(rows["label"] > 0, pack(kind, number, spread, window.start), 0)
    return rows


class AttackBuilder:
    """Builds the events of one attack or lookalike. It holds the events so far, and the person, device, address, place and session
    of the next event.

    Times are counted from the start of the attack.
    """

    def __init__(self, world: World, rng: Generator, spread: bool) -> None:
        self.world, self.rng, self.spread = world, rng, spread
        self.seconds = 0.0
        self._rows: list[Rows] = []
        self.person = int(rng.integers(world.people))
        self.device = self._attacker_number()
        self.address = self._attacker_number()
        self.place = int(rng.integers(len(c.PLACES)))
        self.session = int(rng.integers(1, 2**62))

    def _attacker_number(self) -> int:
        return FIRST_ATTACKER_NUMBER + int(self.rng.integers(FIRST_ATTACKER_NUMBER))

    def wait(self, burst: tuple[float, float], spread: tuple[float, float]) -> None:
        """Advance the time by a random number of seconds in the range for attacks in a burst, or for spread attacks."""
        shortest, longest = spread if self.spread else burst
        self.seconds += float(self.rng.uniform(shortest, longest))

    def add(self, event_type: str, *, is_attack: bool = True, signed_in: bool = True, **fields: int) -> None:
        """Add an event at the current time. Events with is_attack=False are the user's own and get no label."""
        row = np.zeros(1, ROW)
        row["type"], row["time"], row["signed_in"] = type_code(event_type), int(self.seconds * 1000), signed_in
        current = {name: getattr(self, name) for name in ("person", "device", "address", "place", "session")}
        for name, value in (UNSET | current | fields).items():
            row[name] = value
        row["label"] = is_attack
        self._rows.append(row)

    def use_own_device_at_home(self) -> None:
        """Switch to the person's first device, home address and home place."""
        self.device = self.person * 2
        self.address = self.person // c.HOUSEHOLD_SIZE
        self.place = int(self.world.home_place[self.person])

    def buy(self, payment: int, product: int, coupon: int = -1, event_type: str = "purchase", signed_in: bool = True) -> None:
        """Add a purchase, or a failed payment, in an order of its own."""
        order = int(self.rng.integers(1, 2**48))
        self.add(event_type, product=product, quantity=1, payment=payment, order=order, coupon=coupon, signed_in=signed_in)

    def product(self, lowest: float = 0.0, highest: float = 1.0) -> int:
        """Returns a random product whose price rank lies between two shares of the price list (0 cheapest, 1 dearest)."""
        by_price = np.argsort(self.world.base_price)
        return int(by_price[int((lowest + self.rng.random() * (highest - lowest)) * (len(by_price) - 1))])

    def stolen_card(self) -> int:
        """Returns the payment number of a stolen card."""
        return FIRST_STOLEN_CARD + int(self.rng.integers(FIRST_STOLEN_CARD))

    def own_card(self) -> int:
        """Returns the payment number of the person's own card."""
        return self.person * 3 + 1

    def rows(self) -> Rows:
        """Returns all events in order."""
        return np.concatenate(self._rows)


def card_testing(builder: AttackBuilder) -> None:
    """Small sums on many cards from one device; two of three payments fail."""
    for i in range(int(builder.rng.integers(6, 11))):
        builder.wait((2, 8), (60, 150))
        builder.add("view_item", product=builder.product(), signed_in=False)
        event_type = "purchase" if i % 3 == 2 else "payment_failed"
        builder.buy(builder.stolen_card(), builder.product(0, 0.08), event_type=event_type, signed_in=False)


def card_velocity(builder: AttackBuilder) -> None:
    """Many orders with one card in a short time."""
    card = builder.stolen_card()
    for _ in range(int(builder.rng.integers(6, 10))):
        builder.wait((3, 9), (40, 70))
        builder.buy(card, builder.product(0.3, 1))


def impossible_travel(builder: AttackBuilder) -> None:
    """The user signs in at home; soon after, an attacker overseas signs in as the same user and buys."""
    attacker_device, attacker_address = builder.device, builder.address
    builder.use_own_device_at_home()
    builder.add("login", is_attack=False)
    is_us = [str(place[1]) == "US" for place in c.PLACES]
    overseas = [i for i, place_is_us in enumerate(is_us) if place_is_us != is_us[builder.place]]
    builder.wait((10, 30), (600, 3600))
    builder.device, builder.address = attacker_device, attacker_address
    builder.place, builder.session = int(builder.rng.choice(overseas)), builder.session + 1
    builder.add("login")
    builder.wait((3, 15), (60, 300))
    builder.buy(builder.own_card(), builder.product(0.4, 1))


def account_takeover(builder: AttackBuilder) -> None:
    """Failed logins until one succeeds; then a profile change and an expensive purchase."""
    for _ in range(int(builder.rng.integers(4, 9))):
        builder.wait((1, 4), (20, 50))
        builder.add("login_failed")
    builder.add("login")
    builder.wait((2, 6), (30, 90))
    builder.add("profile_change")
    builder.wait((3, 10), (30, 120))
    builder.buy(builder.own_card(), builder.product(0.7, 1))


def scraping_bot(builder: AttackBuilder) -> None:
    """Views the catalogue product by product."""
    first = builder.product()
    for i in range(int(builder.rng.integers(90, 160))):
        builder.wait((0.2, 0.5), (0.9, 1.6))
        builder.add("view_item", product=(first + i) % builder.world.products, quantity=1, signed_in=False)


def coupon_abuse(builder: AttackBuilder) -> None:
    """One device uses the welcome coupon with account after account."""
    for _ in range(int(builder.rng.integers(4, 8))):
        builder.wait((2, 6), (120, 220))
        builder.person, builder.session = int(builder.rng.integers(builder.world.people)), builder.session + 1
        builder.add("login")
        builder.add("coupon_apply", coupon=0)
        builder.wait((2, 5), (10, 30))
        builder.buy(builder.own_card(), builder.product(0.2, 1), coupon=0)


def rapid_fire(builder: AttackBuilder) -> None:
    """Events of one user faster than a person can click."""
    for _ in range(int(builder.rng.integers(9, 16))):
        builder.wait((0.1, 0.4), (0.6, 1.0))
        builder.add("view_item", product=builder.product(), quantity=1)


def lookalike_forgetful(builder: AttackBuilder) -> None:
    """Resembles account_takeover: a user mistypes the password three times on the usual device."""
    builder.use_own_device_at_home()
    for _ in range(3):
        builder.wait((3, 8), (5, 20))
        builder.add("login_failed")
    builder.add("login")
    builder.wait((5, 15), (60, 200))
    builder.buy(builder.own_card(), builder.product())


def lookalike_gifts(builder: AttackBuilder) -> None:
    """Resembles card_velocity: four purchases within ten minutes with the user's own card."""
    builder.use_own_device_at_home()
    for _ in range(4):
        builder.wait((4, 10), (60, 140))
        builder.buy(builder.own_card(), builder.product())


def lookalike_family(builder: AttackBuilder) -> None:
    """Resembles coupon_abuse: two new customers of one family use the welcome coupon on the family's device."""
    builder.use_own_device_at_home()
    builder.device = builder.world.people * 2 + builder.person // c.HOUSEHOLD_SIZE
    for member in (builder.person // 2 * 2, builder.person // 2 * 2 + 1):
        builder.person, builder.session = min(member, builder.world.people - 1), builder.session + 1
        builder.wait((4, 12), (120, 400))
        builder.add("coupon_apply", coupon=0)
        builder.buy(builder.own_card(), builder.product(), coupon=0)


def lookalike_power_browser(builder: AttackBuilder) -> None:
    """Resembles scraping_bot: many views at the pace of a reader."""
    builder.use_own_device_at_home()
    views = 60 if builder.spread else 8
    for _ in range(views):
        builder.wait((3, 6), (3, 8))
        builder.add("view_item", product=builder.product(), quantity=1)


def lookalike_traveller(builder: AttackBuilder) -> None:
    """Resembles impossible_travel: the same device continues through a VPN whose address is abroad."""
    builder.use_own_device_at_home()
    builder.add("login")
    builder.wait((10, 25), (600, 1800))
    builder.place = (builder.place + 5) % len(c.PLACES)
    builder.buy(builder.own_card(), builder.product())


GENERATORS: dict[str, Callable[[AttackBuilder], None]] = {
    "card_testing": card_testing,
    "card_velocity": card_velocity,
    "impossible_travel": impossible_travel,
    "account_takeover": account_takeover,
    "scraping_bot": scraping_bot,
    "coupon_abuse": coupon_abuse,
    "rapid_fire": rapid_fire,
    "lookalike_forgetful": lookalike_forgetful,
    "lookalike_gifts": lookalike_gifts,
    "lookalike_family": lookalike_family,
    "lookalike_power_browser": lookalike_power_browser,
    "lookalike_traveller": lookalike_traveller,
}
