"""Attacks on the shop, and bait that only looks like them. Their events carry a label in the rows, never in what is sent."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from tools.shop import calibration as c
from tools.shop.labels import KINDS, label
from tools.shop.rows import ROW, Rows, type_code
from tools.shop.shoppers import Window, price
from tools.shop.world import World

MINUTE = 60_000
# Numbers that no ordinary shopper has: attackers come with devices, addresses and cards of their own.
STRANGERS = 1_000_000_000


@dataclass(frozen=True)
class Attackers:
    """A source of traffic: in each window `each` attacks of every kind, and as many groups of each bait."""

    each: int
    __name__ = "attackers"

    def __call__(self, world: World, window: Window, rng: Generator) -> Rows:
        """The events of a window's attacks and baits."""
        made = [_labelled(world, window, rng, kind, number) for kind in KINDS for number in range(self.each)]
        return np.concatenate([np.zeros(0, ROW), *made])


def _labelled(world: World, window: Window, rng: Generator, kind: str, number: int) -> Rows:
    spread = bool(number % 2) and window.is_day
    scene = Scene(world, rng, spread)
    STORIES[kind](scene)
    rows = scene.rows()
    length = int(rows["time"].max())
    rows["time"] += window.start + int(rng.random() * max(1, window.length - length))
    priced = rows["product"] >= 0
    goods = rows[priced]
    price(world, goods, np.full(len(goods), -1))
    rows["cents"][priced] = goods["cents"]
    rows["label"] = np.where(rows["label"] > 0, label(kind, number, spread, window.start), 0)
    return rows


class Scene:
    """One attack while it is written: who, with what device, and the events so far; times count from its beginning."""

    def __init__(self, world: World, rng: Generator, spread: bool) -> None:
        self.world, self.rng, self.spread = world, rng, spread
        self.now = 0.0
        self._rows: list[Rows] = []
        self.person = int(rng.integers(world.people))
        self.device = self.stranger()
        self.address = self.stranger()
        self.place = int(rng.integers(len(c.PLACES)))
        self.session = int(rng.integers(1, 2**62))

    def stranger(self) -> int:
        """A number of the attackers' own."""
        return STRANGERS + int(self.rng.integers(STRANGERS))

    def wait(self, burst: tuple[float, float], spread: tuple[float, float]) -> None:
        """Let some seconds pass: between the first two in a burst, between the others when the attack is spread."""
        self.now += float(self.rng.uniform(*(spread if self.spread else burst)))

    def add(self, kind: str, *, innocent: bool = False, signed_in: bool = True, **fields: int) -> None:
        """One event now; `innocent` events belong to the story but are not part of the attack."""
        row = np.zeros(1, ROW)
        row["type"], row["time"], row["signed_in"] = type_code(kind), int(self.now * 1000), signed_in
        defaults = {name: getattr(self, name) for name in ("person", "device", "address", "place", "session")}
        for name, value in ({"product": -1, "coupon": -1, "query": -1, "referrer": -1} | defaults | fields).items():
            row[name] = value
        row["label"] = not innocent
        self._rows.append(row)

    def home(self) -> None:
        """Be the person at home, on the device that is known."""
        self.device = self.person * 2
        self.address = self.person // c.HOUSEHOLD_SIZE
        self.place = int(self.world.home_place[self.person])

    def buy(self, payment: int, product: int, coupon: int = -1, kind: str = "purchase", signed_in: bool = True) -> None:
        """A purchase, or a refused one, in an order of its own."""
        order = int(self.rng.integers(1, 2**48))
        self.add(kind, product=product, quantity=1, payment=payment, order=order, coupon=coupon, signed_in=signed_in)

    def product(self, cheapest: float = 0.0, dearest: float = 1.0) -> int:
        """Any product whose price lies between two shares of the price list."""
        ranked = np.argsort(self.world.base_price)
        return int(ranked[int((cheapest + self.rng.random() * (dearest - cheapest)) * (len(ranked) - 1))])

    def card(self) -> int:
        """A stolen card."""
        return 2**31 + int(self.rng.integers(2**31))

    def own_card(self) -> int:
        """The person's own card."""
        return self.person * 3 + 1

    def rows(self) -> Rows:
        """All events, in order."""
        return np.concatenate(self._rows)


def card_testing(scene: Scene) -> None:
    """Small sums on many cards from one device; most are refused."""
    for i in range(int(scene.rng.integers(6, 11))):
        scene.wait((2, 8), (60, 150))
        scene.add("view_item", product=scene.product(), signed_in=False)
        refused = i % 3 != 2
        scene.buy(scene.card(), scene.product(0, 0.08), kind="payment_failed" if refused else "purchase", signed_in=False)


def card_velocity(scene: Scene) -> None:
    """One card, order after order."""
    card = scene.card()
    for _ in range(int(scene.rng.integers(6, 10))):
        scene.wait((3, 9), (40, 70))
        scene.buy(card, scene.product(0.3, 1))


def impossible_travel(scene: Scene) -> None:
    """The user signs in at home; soon after somebody buys in this name from far away."""
    stolen = scene.device, scene.address
    scene.home()
    scene.add("login", innocent=True)
    overseas = [str(place[1]) == "US" for place in c.PLACES]
    far = [i for i, there in enumerate(overseas) if there != overseas[scene.place]]
    scene.wait((10, 30), (600, 3600))
    scene.device, scene.address = stolen
    scene.place, scene.session = int(scene.rng.choice(far)), scene.session + 1
    scene.add("login")
    scene.wait((3, 15), (60, 300))
    scene.buy(scene.own_card(), scene.product(0.4, 1))


def account_takeover(scene: Scene) -> None:
    """Passwords are tried until one works; then the address is changed and something dear is bought."""
    for _ in range(int(scene.rng.integers(4, 9))):
        scene.wait((1, 4), (20, 50))
        scene.add("login_failed")
    scene.add("login")
    scene.wait((2, 6), (30, 90))
    scene.add("profile_change")
    scene.wait((3, 10), (30, 120))
    scene.buy(scene.own_card(), scene.product(0.7, 1))


def scraping_bot(scene: Scene) -> None:
    """The catalogue, product after product."""
    first = scene.product()
    for i in range(int(scene.rng.integers(90, 160))):
        scene.wait((0.2, 0.5), (0.9, 1.6))
        scene.add("view_item", product=(first + i) % scene.world.products, quantity=1, signed_in=False)


def coupon_abuse(scene: Scene) -> None:
    """One device that welcomes itself as a new customer again and again."""
    for _ in range(int(scene.rng.integers(4, 8))):
        scene.wait((2, 6), (120, 220))
        scene.person, scene.session = int(scene.rng.integers(scene.world.people)), scene.session + 1
        scene.add("login")
        scene.add("coupon_apply", coupon=0)
        scene.wait((2, 5), (10, 30))
        scene.buy(scene.own_card(), scene.product(0.2, 1), coupon=0)


def rapid_fire(scene: Scene) -> None:
    """Events of one user faster than a hand."""
    for _ in range(int(scene.rng.integers(9, 16))):
        scene.wait((0.1, 0.4), (0.6, 1.0))
        scene.add("view_item", product=scene.product(), quantity=1)


def bait_forgetful(scene: Scene) -> None:
    """Somebody mistypes the password three times, on the usual device."""
    scene.home()
    for _ in range(3):
        scene.wait((3, 8), (5, 20))
        scene.add("login_failed")
    scene.add("login")
    scene.wait((5, 15), (60, 200))
    scene.buy(scene.own_card(), scene.product())


def bait_gifts(scene: Scene) -> None:
    """Four presents in ten minutes with one's own card."""
    scene.home()
    for _ in range(4):
        scene.wait((4, 10), (60, 140))
        scene.buy(scene.own_card(), scene.product())


def bait_family(scene: Scene) -> None:
    """Two of a family, new here, one after the other on the family's device."""
    scene.home()
    scene.device = scene.world.people * 2 + scene.person // c.HOUSEHOLD_SIZE
    for member in (scene.person // 2 * 2, scene.person // 2 * 2 + 1):
        scene.person, scene.session = min(member, scene.world.people - 1), scene.session + 1
        scene.wait((4, 12), (120, 400))
        scene.add("coupon_apply", coupon=0)
        scene.buy(scene.own_card(), scene.product(), coupon=0)


def bait_power_browser(scene: Scene) -> None:
    """Somebody who looks at very much, but reads."""
    scene.home()
    for _ in range(8 if not scene.spread else 60):
        scene.wait((3, 6), (3, 8))
        scene.add("view_item", product=scene.product(), quantity=1)


def bait_traveller(scene: Scene) -> None:
    """The same device a moment later behind an address abroad: a private network, no journey."""
    scene.home()
    scene.add("login")
    scene.wait((10, 25), (600, 1800))
    scene.place = (scene.place + 5) % len(c.PLACES)
    scene.buy(scene.own_card(), scene.product())


STORIES: dict[str, Callable[[Scene], None]] = {
    story.__name__: story
    for story in (
        card_testing, card_velocity, impossible_travel, account_takeover, scraping_bot, coupon_abuse, rapid_fire,
        bait_forgetful, bait_gifts, bait_family, bait_power_browser, bait_traveller,
    )
}  # fmt: skip
