"""A receipt that was cut, changed or is something else is never believed."""

import pytest

from clickstream_contracts.receipt import Receipt, ReceiptError

GOOD = Receipt(app="curate", run="r1", inputs={"raw.clicks": "abc"}, rows={"curated.events": 5}, facts={"days": ["2026-01-01"]})


def test_a_receipt_survives_the_round_trip() -> None:
    assert Receipt.from_json(GOOD.to_json()) == GOOD


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", GOOD.to_json()[:-9], GOOD.to_json().replace(": 5", ": 6"), GOOD.to_json().replace('"app"', '"application"')],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ReceiptError):
        Receipt.from_json(text)
