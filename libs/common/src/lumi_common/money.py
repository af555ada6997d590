"""Amounts of money as Decimal with two places; `rpc/convert.py` puts them on the wire."""

from decimal import ROUND_HALF_UP, Decimal

from lumi_common.errors import InvalidArgument, Reason

CENT = Decimal("0.01")

# ISO 4217 currencies whose minor unit is a hundredth. Others are refused: columns hold two decimals.
_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP
CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS
KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD
PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW
"""
TWO_DECIMALS = frozenset(_CODES.split())


def rounded(amount: Decimal) -> Decimal:
    """The amount in whole cents, halves away from zero (banker's rounding is wrong in a shop)."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def check_currency(currency: str, *, field: str = "currency") -> str:
    """The currency itself; raises InvalidArgument unless it is an ISO 4217 code with two decimals."""
    if currency not in TWO_DECIMALS:
        raise InvalidArgument(
            Reason.CURRENCY_UNSUPPORTED,
            "not an ISO 4217 currency with two decimals",
            field=field,
            currency=currency[:8],
        )
    return currency
