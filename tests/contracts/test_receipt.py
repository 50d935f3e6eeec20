"""A text that is cut, changed or no receipt is refused."""

import pytest

from clickstream_contracts.receipt import Receipt, ReceiptError

RECEIPT = Receipt(app="curate", run="r1", inputs={"raw.clicks": "abc"}, rows={"curated.events": 5}, facts={"days": ["2026-01-01"]})


def test_a_receipt_survives_the_round_trip() -> None:
    assert Receipt.from_json(RECEIPT.to_json()) == RECEIPT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        RECEIPT.to_json()[:-9],
        RECEIPT.to_json().replace(": 5", ": 6"),
        RECEIPT.to_json().replace('"app"', '"application"'),
    ],
)
def test_a_cut_changed_or_other_text_is_refused(text: str) -> None:
    with pytest.raises(ReceiptError):
        Receipt.from_json(text)
