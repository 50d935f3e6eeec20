"""Currencies: the codes of ISO 4217 and how many decimals an amount in each has."""

from typing import Final

DEFAULT_DECIMALS: Final = 2
# A rate of landing.currency_rates also holds for so many later days without one: banks publish none at weekends and on holidays.
MAX_RATE_AGE_DAYS: Final = 7
# Codes in use, then codes that were withdrawn since 2007 and stand in older files.
_IN_USE: Final = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY
COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR
ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR
MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC
SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
_WITHDRAWN: Final = "ANG BYR CUC EEK GHC HRK LTL LVL MRO SKK SLL STD TMM VEF ZMK ZWL"
CODES: Final = frozenset(f"{_IN_USE} {_WITHDRAWN}".split())
# Decimals of the currencies that do not have two.
_OTHER_DECIMALS: Final = {
    0: "BIF BYR CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DECIMALS: Final = {code: decimals for decimals, codes in _OTHER_DECIMALS.items() for code in codes.split()}


def decimals(code: str) -> int:
    """Returns how many decimals an amount in a currency has: 2 for EUR, 0 for JPY, 3 for KWD; 2 for an unknown code."""
    return _DECIMALS.get(code, DEFAULT_DECIMALS)
