"""Simulated attacks, and legitimate lookalikes of them. Their rows carry a label; the events that are sent do not."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from tools.shop import calibration as c
from tools.shop import lookalikes
from tools.shop.attack_builder import AttackBuilder
from tools.shop.labels import KINDS, pack
from tools.shop.rows import ROW, Rows
from tools.shop.shoppers import Window, set_prices
from tools.shop.stream import Source
from tools.shop.world import World


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
        builder.wait((0.5, 2), (20, 40), hard=(30, 90))
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
        builder.wait((2, 8), (120, 300))
        builder.add("refund", product=builder.product(0.5, 1), quantity=1, payment=builder.own_card(), order=builder.new_order())
    builder.wait((2, 8), (120, 300))
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


GENERATORS: dict[str, Callable[[AttackBuilder], None]] = {
    generator.__name__: generator
    for generator in (
        *(card_testing, card_velocity, impossible_travel, account_takeover, scraping_bot, coupon_abuse, rapid_fire),
        *(device_stuffing, card_guessing, password_guessing, refund_abuse, card_testing_address, credential_stuffing),
    )
} | lookalikes.GENERATORS
