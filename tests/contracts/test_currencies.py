"""Currencies: codes of ISO 4217 and the decimals of their amounts."""

import pytest

from clickstream_contracts import currencies


@pytest.mark.parametrize(("code", "decimals"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("BHD", 3), ("JOD", 3), ("CLF", 4), ("HRK", 2)])
def test_amounts_have_the_decimals_of_their_currency(code: str, decimals: int) -> None:
    assert code in currencies.CODES
    assert currencies.decimals(code) == decimals


@pytest.mark.parametrize("code", ["eur", "EURO", "XXX", "ABC", ""])
def test_other_texts_are_no_currency(code: str) -> None:
    assert code not in currencies.CODES
