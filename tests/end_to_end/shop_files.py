"""Made-up files as shops export them, each of one day of its own, and what the marts must say of that day."""

import csv
import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

GA4_DAY, JSON_DAY, SEGMENT_DAY, QUOTES_DAY, BASKETS_DAY = (f"2024-05-0{number}" for number in range(5, 10))
BASKETS, LINES_OF_A_BASKET = 60, 40


def at(day: str, seconds: float = 0) -> datetime:
    """A moment of a day, in seconds after eight in the morning, UTC."""
    return datetime.fromisoformat(f"{day}T08:00:00+00:00") + timedelta(seconds=seconds)


def write_lines(file: Path, lines: list[dict[str, Any]]) -> Path:
    """Write a file of JSON lines."""
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def ga4(folder: Path) -> Path:
    """A thank-you page loaded three times, a refund of a whole order, a purchase without items, guests without consent."""

    def line(seconds: float, name: str, order: str, amount: float, items: list[dict[str, Any]], visitor: str | None) -> dict[str, Any]:
        parameters: list[dict[str, Any]] = [{"key": "currency", "value": {"string_value": "EUR"}}]
        if visitor:
            parameters.append({"key": "ga_session_id", "value": {"int_value": "1714982400"}})
        kind = "refund_value" if name == "refund" else "purchase_revenue"
        return {
            "event_timestamp": str(int(at(GA4_DAY, seconds).timestamp() * 1_000_000)),
            "event_name": name,
            "user_pseudo_id": visitor,
            "event_params": parameters,
            "ecommerce": {"transaction_id": order, kind: amount},
            "items": items,
        }

    kettle = [{"item_id": "kettle-9", "price": 49.9, "quantity": 1}]
    sofa = [{"item_id": "sofa-1", "price": 400.0, "quantity": 1}]
    both = [*sofa, {"item_id": "lamp-2", "price": 100.0, "quantity": 1}]
    lines = [
        *(line(seconds, "purchase", "T-1", 49.9, kettle, "7.8") for seconds in (0, 41, 3600)),
        line(60, "purchase", "T-2", 500.0, both, "5.6"),
        line(900, "refund", "T-2", 500.0, [], "5.6"),
        line(400, "purchase", "T-3", 80.0, [], "5.6"),
        *(line(500 + number, "purchase", f"G-{number}", 400.0, sofa, None) for number in range(3)),
    ]
    return write_lines(folder / "ga4.jsonl", lines)


GA4_EXPECTED = {"EUR": {"orders": 6, "revenue": "1829.90", "refunded": "500.00", "net_revenue": "1329.90"}}


def two_currencies(folder: Path) -> Path:
    """Orders in EUR (also as `eur`), JPY and USD, and a line of the USD order in JPY."""
    orders = [
        ("C-1", "ring-1", 15000, "JPY"),
        ("C-2", "ring-1", 95, "EUR"),
        ("C-3", "ring-1", 95.0, "eur"),
        ("C-4", "ring-1", 100, "USD"),
        ("C-4", "post-1", 500, "JPY"),
    ]
    lines = [
        {
            "timestamp": int(at(JSON_DAY, number).timestamp() * 1000),
            "user_id": f"u{number}",
            "session_id": f"c{number}",
            "product_id": product,
            "event_type": "purchase",
            "order_id": order,
            "quantity": 1,
            "price": price,
            "currency": currency,
        }
        for number, (order, product, price, currency) in enumerate(orders)
    ]
    return write_lines(folder / "log.jsonl", lines)


TWO_CURRENCIES_EXPECTED = {
    "EUR": {"orders": 2, "revenue": "190.00", "refunded": "0.00"},
    "JPY": {"orders": 1, "revenue": "15000.00", "refunded": "0.00"},
    "USD": {"orders": 1, "revenue": "100.00", "refunded": "0.00"},
}


def segment(folder: Path) -> Path:
    """A view, and an order of two products in a nested list."""
    common = {"type": "track", "anonymousId": "an-9", "context": {"sessionId": 1714982400}}
    products = [{"product_id": "cup-1", "price": 9.5, "quantity": 3}, {"product_id": "pot-2", "price": 19.0, "quantity": 1}]
    lines = [
        common
        | {
            "event": "Product Viewed",
            "messageId": "m-1",
            "timestamp": at(SEGMENT_DAY).isoformat(),
            "properties": {"product_id": "cup-1", "price": 9.5, "currency": "EUR"},
        },
        common
        | {
            "event": "Order Completed",
            "messageId": "m-2",
            "timestamp": at(SEGMENT_DAY, 300).isoformat(),
            "userId": "u-3",
            "properties": {"order_id": "S-1", "currency": "EUR", "revenue": 47.5, "products": products},
        },
    ]
    return write_lines(folder / "track.jsonl", lines)


SEGMENT_EXPECTED = {"EUR": {"orders": 1, "items": 4, "revenue": "47.50", "refunded": "0.00"}}
QUOTED_LINES = 300


def stray_quotes(folder: Path) -> Path:
    """A list of orders whose lines 100 and 200 have one quote too many."""
    rows = ["time,user,product,price"]
    for number in range(1, QUOTED_LINES + 1):
        quote = '"' if number in (100, 200) else ""
        rows.append(f"{at(QUOTES_DAY, number):%Y-%m-%d %H:%M:%S},q-{number},{quote}box {number},2.50")
    (folder / "quotes.yaml").write_text(
        "description: orders with a product each\n"
        "fields:\n"
        "  event_time: {from: time, time: '%Y-%m-%d %H:%M:%S'}\n"
        "  event_type: {constant: purchase}\n"
        "  product_id: product\n"
        "  price: price\n"
        "  quantity: {constant: 1}\n"
        "  currency: {constant: EUR}\n"
        "  user_id: user\n"
        "  order_id: user\n"
        "  session_id: user\n"
    )
    file = folder / "quotes.csv"
    file.write_text("\n".join(rows) + "\n")
    return file


def baskets(folder: Path) -> Path:
    """A grocer's list of invoices: baskets of 40 lines, ids written as floats, one basket in ten returned in part."""
    chance = random.Random(7)
    file = folder / "baskets.csv"
    with file.open("w", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country"])
        for number in range(BASKETS):
            time = at(BASKETS_DAY, 300 * number).strftime("%Y-%m-%d %H:%M:%S")
            user = "" if number % 7 == 0 else f"{12000 + number % 25}.0"
            products = chance.sample(range(20000, 20400), LINES_OF_A_BASKET)
            rows = [(product, chance.randint(1, 6), chance.randint(49, 1999) / 100) for product in products]
            for product, quantity, price in rows:
                writer.writerow([700000 + number, product, f"Thing {product}", quantity, time, f"{price:.2f}", user, "France"])
            if number % 10 == 0:
                for product, quantity, price in rows[:3]:
                    writer.writerow([f"C{700000 + number}", product, f"Thing {product}", -quantity, time, f"{price:.2f}", user, "France"])
    return file
