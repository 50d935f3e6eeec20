"""Legitimate behaviour that resembles an attack: an alert about it is a false alarm."""

from collections.abc import Callable

import numpy as np

from tools.shop import calibration as c
from tools.shop.attack_builder import FIRST_STOLEN_CARD, AttackBuilder


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
        *(lookalike_forgetful, lookalike_gifts, lookalike_family, lookalike_power_browser, lookalike_traveller),
        *(lookalike_basket, lookalike_carousel, lookalike_wallet, lookalike_call_centre, lookalike_office),
    )
}
