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


def attackers(each: int, hard: bool = False) -> Source:
    """Returns a source of traffic: in each window `each` attacks of every kind, and as many groups of each lookalike.

    hard: the attackers stay near the limits of the rules, change device, wait longer and behave like shoppers in between.
    """

    def events(world: World, window: Window, rng: Generator) -> Rows:
        attacks = [_attack(world, window, rng, kind, number, hard) for kind in KINDS for number in range(each)]
        return np.concatenate([np.zeros(0, ROW), *attacks])

    return Source("attackers", events)


def _attack(world: World, window: Window, rng: Generator, kind: str, number: int, hard: bool) -> Rows:
    """Returns the rows of one attack at a random time of the window, with prices and labels."""
    # Every second attack of a day is spread over a longer time; a live window is too short for that.
    spread = bool(number % 2) and window.is_day
    builder = AttackBuilder(world, rng, spread, hard)
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

    def __init__(self, world: World, rng: Generator, spread: bool, hard: bool) -> None:
        self.world, self.rng, self.spread, self.hard = world, rng, spread, hard
        self.seconds = 0.0
        self._rows: list[Rows] = []
        self.person = int(rng.integers(world.people))
        self.device = self.attacker_number()
        self.address = self.attacker_number()
        self.place = int(rng.integers(len(c.PLACES)))
        self.session = int(rng.integers(1, 2**62))

    def attacker_number(self) -> int:
        """Returns the number of a device or an address that no ordinary shopper has."""
        return FIRST_ATTACKER_NUMBER + int(self.rng.integers(FIRST_ATTACKER_NUMBER))

    def wait(self, burst: tuple[float, float], spread: tuple[float, float], hard: tuple[float, float] | None = None) -> None:
        """Advance the time by a random number of seconds in the range for attacks in a burst, for spread attacks, or for the hard level."""
        shortest, longest = hard if self.hard and hard else spread if self.spread else burst
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

    def number(self, easy: tuple[int, int], hard: tuple[int, int]) -> int:
        """Returns a random number of the range of the level; the end of a range is excluded."""
        return int(self.rng.integers(*(hard if self.hard else easy)))

    def change_device(self) -> None:
        """Continue with a device and a session that nobody has used."""
        self.device, self.session = self.attacker_number(), self.session + 1

    def change_person(self) -> None:
        """Continue as another user."""
        self.person, self.session = int(self.rng.integers(self.world.people)), self.session + 1

    def browse(self, signed_in: bool = False) -> None:
        """View a product like a shopper, at the hard level only."""
        if self.hard:
            self.add("view_item", product=self.product(), quantity=1, signed_in=signed_in)
            self.wait((2, 8), (2, 8))

    def use_own_device_at_home(self) -> None:
        """Switch to the person's first device, home address and home place."""
        self.device = self.person * 2
        self.address = self.person // c.HOUSEHOLD_SIZE
        self.place = int(self.world.home_place[self.person])

    def buy(
        self, payment: int, product: int, coupon: int = -1, event_type: str = "purchase", signed_in: bool = True, order: int = 0
    ) -> None:
        """Add a purchase, or a failed payment, in the given order or in one of its own."""
        order = order or self.new_order()
        self.add(event_type, product=product, quantity=1, payment=payment, order=order, coupon=coupon, signed_in=signed_in)

    def new_order(self) -> int:
        """Returns the number of a new order."""
        return int(self.rng.integers(1, 2**48))

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
    """Small sums on many cards from one device; two of three payments fail, at the hard level about half."""
    for i in range(builder.number((6, 11), (5, 8))):
        builder.wait((2, 8), (60, 150))
        builder.add("view_item", product=builder.product(), signed_in=False)
        builder.browse()
        succeeds = i % 2 == 1 if builder.hard else i % 3 == 2
        event_type = "purchase" if succeeds else "payment_failed"
        builder.buy(builder.stolen_card(), builder.product(0, 0.08), event_type=event_type, signed_in=False)


def card_testing_address(builder: AttackBuilder) -> None:
    """Small sums on many cards from one address, each with a device of its own."""
    for i in range(builder.number((20, 41), (12, 18))):
        builder.wait((2, 8), (20, 40), hard=(30, 90))
        builder.change_device()
        builder.browse()
        succeeds = builder.rng.random() < 0.35 if builder.hard else i % 4 == 3
        event_type = "purchase" if succeeds else "payment_failed"
        builder.buy(builder.stolen_card(), builder.product(0, 0.08), event_type=event_type, signed_in=False)


def card_guessing(builder: AttackBuilder) -> None:
    """Guesses of the security code of one card, each with a device of its own."""
    card, product = builder.stolen_card(), builder.product(0, 0.3)
    for _ in range(builder.number((20, 50), (6, 9))):
        builder.wait((1, 4), (8, 20), hard=(25, 70))
        builder.change_device()
        builder.browse()
        builder.buy(card, product, event_type="payment_failed", signed_in=False)


def card_velocity(builder: AttackBuilder) -> None:
    """Many orders with one card in a short time."""
    card = builder.stolen_card()
    for _ in range(builder.number((6, 10), (5, 7))):
        builder.wait((3, 9), (40, 70), hard=(40, 85))
        if builder.hard:
            builder.change_device()
        builder.browse()
        builder.buy(card, builder.product(0.3, 1))


def impossible_travel(builder: AttackBuilder) -> None:
    """The user signs in at home; soon after, an attacker overseas signs in as the same user and buys.

    At the hard level the user goes on shopping at home before and after.
    """
    attacker_device, attacker_address, attacker_place = builder.device, builder.address, builder.place
    builder.use_own_device_at_home()
    home = (builder.device, builder.address, builder.place)
    builder.add("login", is_attack=False)
    is_us = [str(place[1]) == "US" for place in c.PLACES]
    overseas = [i for i, place_is_us in enumerate(is_us) if place_is_us != is_us[builder.place]]
    builder.wait((10, 30), (600, 3600))
    for _ in range(3 if builder.hard else 0):
        builder.add("add_to_cart", product=builder.product(), quantity=1, is_attack=False)
        builder.wait((120, 600), (120, 600))
    attacker_place = int(builder.rng.choice(overseas))
    builder.device, builder.address, builder.place, builder.session = attacker_device, attacker_address, attacker_place, builder.session + 1
    builder.add("login")
    builder.wait((3, 15), (60, 300))
    if builder.hard:
        builder.device, builder.address, builder.place = home
        builder.add("add_to_cart", product=builder.product(), quantity=1, is_attack=False)
        builder.wait((5, 60), (5, 60))
        builder.device, builder.address, builder.place = attacker_device, attacker_address, attacker_place
    builder.buy(builder.own_card(), builder.product(0.4, 1))


def account_takeover(builder: AttackBuilder) -> None:
    """Failed logins until one succeeds; then a profile change and an expensive purchase, at the hard level in several lines."""
    for _ in range(builder.number((4, 9), (3, 5))):
        builder.wait((1, 4), (20, 50), hard=(20, 60))
        builder.add("login_failed")
    builder.add("login")
    builder.browse(signed_in=True)
    builder.wait((2, 6), (30, 90))
    builder.add("profile_change")
    builder.wait((3, 10), (30, 120))
    if not builder.hard:
        builder.buy(builder.own_card(), builder.product(0.7, 1))
        return
    order = builder.new_order()
    for _ in range(5):
        builder.buy(builder.own_card(), builder.product(0.3, 0.6), order=order)


def password_guessing(builder: AttackBuilder) -> None:
    """Failed logins of one user, at the hard level from changing devices and addresses."""
    for _ in range(builder.number((12, 30), (8, 12))):
        builder.wait((0.5, 3), (10, 25), hard=(20, 70))
        if builder.hard:
            builder.change_device()
            builder.address = builder.attacker_number()
        builder.add("login_failed")


def credential_stuffing(builder: AttackBuilder) -> None:
    """Failed logins of user after user from one address, two tries each; one of many succeeds."""
    for i in range(builder.number((30, 80), (14, 22))):
        builder.change_person()
        builder.change_device()
        for _ in range(1 if builder.hard else 2):
            builder.wait((0.3, 2), (3, 10), hard=(15, 60))
            builder.add("login_failed")
        if i % 12 == 11:
            builder.add("login")


def device_stuffing(builder: AttackBuilder) -> None:
    """Failed logins of user after user on one device whose address changes."""
    for _ in range(builder.number((12, 30), (6, 9))):
        builder.change_person()
        builder.address = builder.attacker_number()
        builder.wait((0.3, 2), (10, 25), hard=(60, 180))
        builder.add("login_failed")


def refund_abuse(builder: AttackBuilder) -> None:
    """One user returns order after order, and buys again."""
    for _ in range(builder.number((5, 9), (4, 6))):
        builder.wait((5, 20), (120, 300))
        builder.add("refund", product=builder.product(0.5, 1), quantity=1, payment=builder.own_card(), order=builder.new_order())
    builder.wait((10, 30), (120, 300))
    builder.buy(builder.own_card(), builder.product(0.5, 1))


def scraping_bot(builder: AttackBuilder) -> None:
    """Views the catalogue product by product, at the hard level in random order and with pauses."""
    first = builder.product()
    for i in range(builder.number((90, 160), (80, 120))):
        builder.wait((0.2, 0.5), (0.9, 1.6), hard=(0.3, 2.8))
        product = builder.product() if builder.hard else (first + i) % builder.world.products
        builder.add("view_item", product=product, quantity=1, signed_in=False)


def coupon_abuse(builder: AttackBuilder) -> None:
    """One device uses the welcome coupon with account after account."""
    for _ in range(builder.number((4, 8), (3, 5))):
        builder.wait((2, 6), (120, 220))
        builder.change_person()
        builder.add("login")
        builder.browse(signed_in=True)
        builder.add("coupon_apply", coupon=0)
        builder.wait((2, 5), (10, 30))
        builder.buy(builder.own_card(), builder.product(0.2, 1), coupon=0)


def rapid_fire(builder: AttackBuilder) -> None:
    """Events of one user faster than a person can click."""
    for _ in range(builder.number((9, 16), (9, 14))):
        builder.wait((0.1, 0.4), (0.6, 1.0), hard=(0.5, 2.2))
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


def lookalike_basket(builder: AttackBuilder) -> None:
    """Resembles rapid_fire: one order of twelve products."""
    builder.use_own_device_at_home()
    order = builder.new_order()
    for _ in range(12):
        builder.buy(builder.own_card(), builder.product(), order=order)


def lookalike_carousel(builder: AttackBuilder) -> None:
    """Resembles rapid_fire: ten recommendations are shown at once, and their viewer buys."""
    builder.use_own_device_at_home()
    for _ in range(10):
        builder.add("recommendation_impression", product=builder.product(), quantity=1)
    builder.wait((2, 4), (2, 4))
    builder.buy(builder.own_card(), builder.product())


def lookalike_wallet(builder: AttackBuilder) -> None:
    """Resembles card_testing: a wallet sends another token with each try to pay for one order; the fifth succeeds."""
    builder.use_own_device_at_home()
    order, product = builder.new_order(), builder.product()
    for i in range(5):
        builder.wait((10, 30), (30, 90))
        token = FIRST_STOLEN_CARD + builder.person * 8 + i
        builder.buy(token, product, event_type="purchase" if i == 4 else "payment_failed", order=order)


def lookalike_call_centre(builder: AttackBuilder) -> None:
    """Resembles card_testing: five customers pay at one desk, two cards are mistyped once."""
    for i in range(5):
        builder.wait((60, 120), (200, 300))
        builder.change_person()
        order, product = builder.new_order(), builder.product()
        if i % 2:
            builder.buy(builder.own_card(), product, event_type="payment_failed", order=order)
            builder.wait((10, 20), (10, 20))
        builder.buy(builder.own_card(), product, order=order)


def lookalike_office(builder: AttackBuilder) -> None:
    """Resembles credential_stuffing: thirty people sign in from one address within minutes, six mistype, and ten buy."""
    builder.place = int(builder.world.home_place[builder.person])
    neighbours = np.flatnonzero(builder.world.home_place == builder.place)
    for i in range(30):
        builder.wait((5, 20), (20, 40))
        builder.person, builder.session = int(builder.rng.choice(neighbours)), builder.session + 1
        builder.device = builder.person * 2
        if i % 5 == 0:
            builder.add("login_failed")
            builder.wait((3, 8), (3, 8))
        builder.add("login")
        if i % 3 == 0:
            builder.wait((3, 8), (3, 8))
            builder.buy(builder.own_card(), builder.product(), event_type="payment_failed" if i == 15 else "purchase")


GENERATORS: dict[str, Callable[[AttackBuilder], None]] = {
    generator.__name__: generator
    for generator in (
        *(card_testing, card_velocity, impossible_travel, account_takeover, scraping_bot, coupon_abuse, rapid_fire),
        *(device_stuffing, card_guessing, password_guessing, refund_abuse, card_testing_address, credential_stuffing),
        *(lookalike_forgetful, lookalike_gifts, lookalike_family, lookalike_power_browser, lookalike_traveller),
        *(lookalike_basket, lookalike_carousel, lookalike_wallet, lookalike_call_centre, lookalike_office),
    )
}
