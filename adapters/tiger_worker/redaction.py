"""What is hidden in the broker's words before anybody reads them: numbers of accounts, and keys.

A person needs the amounts in them ("need 1234567.89"), and none of the rest. So there are two
rules. The login's own numbers and token, which the worker knows, are hidden however they are
written. Of other numbers only a short one, and one that is plainly written as an amount, is shown:
where it cannot be told which it is, it is hidden.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

NUMBER: Final = "[number]"
KEY: Final = "[key]"
# So many digits in a row may be a part of an account's number.
DIGITS_MIN: Final = 6
# No amount is that long, and no key that short.
_KEY_LENGTH_MIN: Final = 32
_KEY_PARTS: Final = re.compile(rf"[A-Za-z0-9+/=_\-]{{{_KEY_LENGTH_MIN},}}", re.ASCII)
_LONG_NUMBER: Final = re.compile(rf"[A-Z]?\d{{{DIGITS_MIN},}}")
# A number with whatever is put between its digits, seen or not.
_SPREAD: Final = re.compile(r"\d(?:[\W_]{0,2}\d)*")
# A word or figure, with all that is written without a blank; Chinese is written without any.
_WORD: Final = re.compile(r"[A-Za-z_\d](?:[A-Za-z_\d,.]*[A-Za-z_\d])?")
_CODE: Final = "USD|HKD|CNH|CNY|SGD|AUD|NZD|EUR|GBP|JPY|CAD"
# Nine digits before the point at most, as in 185000000.50; a single zero behind it is how a
# program writes any number.
_WITH_CENTS: Final = re.compile(rf"[0-9]{{6,9}}\.(?:[1-9]|[0-9]{{2,4}})(?:{_CODE})?")
_GROUPED: Final = re.compile(rf"[0-9]{{1,3}}(?:,[0-9]{{3}}){{1,4}}(?:\.[0-9]{{1,4}})?(?:{_CODE})?")
_WHOLE: Final = re.compile(r"[0-9]{6,9}")
_MONEY_BEFORE: Final = re.compile(rf"(?:[$€£¥]|\b(?:{_CODE}))\s?[-+]?$")
# What is said to be somebody's is no amount, however it is written; what stands in brackets for a
# number that was hidden says nothing of the next.
_SOMEBODY_BEFORE: Final = re.compile(
    r"(?:(?<![a-z\[])(?:acc(?:oun)?ts?|acc|a/c|users?|clients?|customers?|login|license|ids?|nos?"
    r"|numbers?|phone|mobile|tel)|#|[账帐][户号]|用户|号码?)\W{0,4}$",
    re.IGNORECASE,
)
# What people, or the broker's programs, write into a row.
_FREE_TEXTS: Final = ("remark", "source", "message")
_LOOK_BACK: Final = 24


def redacted(text: str) -> str:
    """Return a text without anything that may be an account's number or a key."""
    without_keys = _KEY_PARTS.sub(_key, text)
    shown: list[str] = []
    at = 0
    for found in _WORD.finditer(without_keys):
        if len(_digits(found[0])) < DIGITS_MIN:
            continue
        before = without_keys[max(0, found.start() - _LOOK_BACK) : found.start()]
        shown.append(without_keys[at : found.start()])
        shown.append(found[0] if _is_amount(found[0], before) else _hidden(found[0]))
        at = found.end()
    shown.append(without_keys[at:])
    return "".join(shown)


def without_own(text: str, own: Iterable[str]) -> str:
    """Return a text without these numbers and keys, whole or in part, however they are written."""
    numbers: list[str] = []
    for secret in own:
        if len(secret) < DIGITS_MIN:
            continue
        digits = _digits(secret)
        if len(digits) == len(secret) or digits == secret[1:]:
            numbers.append(digits)
        else:
            text = text.replace(secret, KEY)
    if not any(each.isdecimal() for each in text):
        return text
    parts = {
        number[at : at + DIGITS_MIN]
        for number in numbers
        for at in range(len(number) - DIGITS_MIN + 1)
    }
    return _SPREAD.sub(lambda found: _unless_own(found[0], parts), text)


class OwnSecrets:
    """What a login would tell of itself in the broker's words, hidden before they are read."""

    def __init__(self, secrets: Callable[[], tuple[str, ...]]) -> None:
        """Make one; `secrets` are asked anew each time, because a token changes."""
        self._secrets = secrets

    def hidden(self, text: str) -> str:
        """Return a text without them."""
        return without_own(text, self._secrets())

    def row(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return a row of the broker's without them in its free texts, whatever stands there."""
        texts = {
            name: hidden
            for name in _FREE_TEXTS
            if (text := str(found.get(name) or "")) and (hidden := self.hidden(text)) != text
        }
        return found | texts if texts else found


def _unless_own(written: str, parts: set[str]) -> str:
    digits = _digits(written)
    return NUMBER if any(part in digits for part in parts) else written


# Digits of every script have a value: 5 is one, and so is a full-width 5.
def _digits(text: str) -> str:
    return "".join(str(int(each)) for each in text if each.isdecimal())


def _key(found: re.Match[str]) -> str:
    has_digit = any(each.isdecimal() for each in found[0])
    # A sentence without blanks is none; figures alone are numbers.
    has_letter = any(each.isalpha() for each in found[0])
    return KEY if has_digit and has_letter else found[0]


def _is_amount(figure: str, before: str) -> bool:
    if _SOMEBODY_BEFORE.search(before):
        return False
    if _WITH_CENTS.fullmatch(figure) or _GROUPED.fullmatch(figure):
        return True
    return _WHOLE.fullmatch(figure) is not None and _MONEY_BEFORE.search(before) is not None


# Grouped, an account's number has no six digits in a row.
def _hidden(figure: str) -> str:
    return NUMBER if _GROUPED.fullmatch(figure) else _LONG_NUMBER.sub(NUMBER, figure)
