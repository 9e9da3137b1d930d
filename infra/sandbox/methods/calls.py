"""One authenticated call of a Tiger method, and what every method needs to read it."""

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from infra.sandbox.broker.book import Account
from infra.sandbox.broker.engine import Engine
from infra.sandbox.home import Login
from infra.sandbox.logins.gate import Gate
from infra.sandbox.wire.envelope import account_error, business_error

Model = TypeVar("Model")
ACCOUNT_FIELDS = frozenset({"account", "account_id", "from_account", "to_account"})


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a method is called with."""

    login: Login
    business: bytes  # the method's parameters, JSON
    engine: Engine
    gate: Gate
    device_id: str  # as the caller says
    now: datetime
    reject: str | None = None  # a fault: an order is taken, then rejected with this remark


def parameters(call: Call, model: type[Model]) -> Model:
    """Read a call's parameters; unknown ones are ignored and numbers may come as text, as at Tiger.

    Of other people's clients some write null for what they do not set, and accounts as numbers.

    Raises:
        GatewayError: 1010.
    """
    try:
        return msgspec.json.decode(call.business, type=model, strict=False)
    except (msgspec.MsgspecError, RecursionError):
        pass
    try:
        loose = msgspec.json.decode(call.business, type=dict[str, Any])
        return msgspec.convert(_tidied(loose), model, strict=False)
    except (msgspec.MsgspecError, RecursionError):
        raise business_error("failed to parse parameters in 'biz_content'") from None


def _tidied(business: dict[str, Any]) -> dict[str, Any]:
    return {
        name: str(value) if name in ACCOUNT_FIELDS and type(value) is int else value
        for name, value in business.items()
        if value is not None
    }


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
