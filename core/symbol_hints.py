"""What may have been meant by a symbol that the broker knows none of, by its class and its look."""

import re
from typing import Final

from core.terms import SecurityType

_HONG_KONG: Final = re.compile(r"\d{1,5}", re.ASCII)
_HONG_KONG_DIGITS: Final = 5
# A product and the year and month in which its contract ends, or the contract in front.
_FUTURE: Final = re.compile(r"[A-Z0-9]{1,4}?(?:\d{4}|main|MAIN)", re.ASCII)
# As the market writes an option, or the record does.
_OPTION: Final = re.compile(r"[A-Z][A-Z.]{0,8} {0,5}\d{6}[CP]\d{1,8}(?:\.\d+)?", re.ASCII)
_HINTS: Final = {
    SecurityType.STOCK: "a US stock is written as AAPL, one of Hong Kong as 00700",
    SecurityType.OPTION: "its expiry and strike must be listed, as get_option_chain tells them",
    SecurityType.FUTURE: "a future is named by product, year and month, as ES2612",
    SecurityType.WARRANT: "a bull or bear contract is security cbbc",
    SecurityType.CBBC: "a warrant that is no bull or bear contract is security warrant",
    SecurityType.FUND: "a fund is written as IE00B464Q616.USD",
    SecurityType.COMBINATION: "the symbol of a combination is its underlying's",
}


def hint_of(symbol: str, security: SecurityType) -> str:
    """Return what to look at where the broker knows no `security` of this name."""
    hint = _HINTS[security]
    if _OPTION.fullmatch(symbol):
        return (
            "an option is named by its underlying's symbol, beside security option, expiry, strike "
            "and right"
        )
    if _HONG_KONG.fullmatch(symbol):
        return _hint_of_number(symbol, security) or hint
    if security is SecurityType.STOCK and _FUTURE.fullmatch(symbol):
        return "a future needs security future"
    return hint


# Contracts of Hong Kong's exchange are numbers of five digits.
def _hint_of_number(symbol: str, security: SecurityType) -> str:
    if security is SecurityType.OPTION:
        return (
            "an option of Hong Kong goes by its option_symbol, which get_option_chain tells "
            "(TCH.HK for 00700)"
        )
    if len(symbol) < _HONG_KONG_DIGITS:
        return f"Hong Kong's symbols have five digits: {symbol.zfill(_HONG_KONG_DIGITS)}"
    if security is SecurityType.STOCK:
        return "of Hong Kong's derivatives it may be a security warrant or cbbc"
    return ""
