"""One authenticated call of a Tiger method, and what every method needs to read it."""

from datetime import datetime
from typing import TypeVar

import msgspec

from infra.sandbox.broker.book import Account, ListingMark
from infra.sandbox.broker.engine import Engine
from infra.sandbox.home import Login
from infra.sandbox.logins.gate import Gate
from infra.sandbox.wire.envelope import account_error, business_error

Model = TypeVar("Model")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a method is called with."""

    login: Login
    business: bytes  # the method's parameters, JSON
    engine: Engine
    gate: Gate
    device_id: str  # as the caller says
    now: datetime
    stale: ListingMark | None = None  # a fault: listings show the book as it was then
    reject: str | None = None  # a fault: an order is taken, then rejected with this remark


def parameters(call: Call, model: type[Model]) -> Model:
    """Read a call's parameters; unknown ones are ignored and numbers may come as text, as at Tiger.

    Raises:
        GatewayError: 1010.
    """
    try:
        return msgspec.json.decode(call.business, type=model, strict=False)
    except (msgspec.MsgspecError, RecursionError):
        raise business_error("failed to parse parameters in 'biz_content'") from None


def account_of(call: Call, number: str) -> Account:
    """Return an account that the caller may use.

    Raises:
        GatewayError: 1010 without an account; 1200 for one that is not the login's.
    """
    if not number:
        raise business_error("field 'account' cannot be empty")
    if all(number != item.account for item in call.login.accounts):
        raise account_error("prime", "unauthorized:Please login in")
    return call.engine.book.accounts[number]
