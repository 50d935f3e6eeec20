"""Builds the events of one simulated attack, or of legitimate behaviour that resembles one."""

import numpy as np
from numpy.random import Generator

from tools.shop import calibration as c
from tools.shop.rows import ROW, Rows, type_code
from tools.shop.world import World

# Devices, addresses and cards of attackers are numbered from here on, so no ordinary shopper has them.
FIRST_ATTACKER_NUMBER = 1_000_000_000
FIRST_STOLEN_CARD = 2**31
UNSET = {"product": -1, "coupon": -1, "query": -1, "referrer": -1}


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
