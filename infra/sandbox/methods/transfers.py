"""Tiger's methods about holdings that change their account.

The sandbox moves holdings between the accounts of one login, at once. From or to another broker
nothing comes here, so that list is always empty.

Source: tigeropen 3.8.0, `trade/domain/transfer.py` and `trade/response/transfer_response.py`; how
times and states are written is not published (read 2026-11-23).
"""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from infra.sandbox.broker import transfer_desk
from infra.sandbox.broker.book import Account
from infra.sandbox.broker.records import PositionTransfer, TransferredItem
from infra.sandbox.market.instruments import find
from infra.sandbox.methods.answers import BROKER_ZONE
from infra.sandbox.methods.calls import Call, account_of, parameters
from infra.sandbox.methods.desks import refusals_of
from infra.sandbox.methods.figures import Json, double
from infra.sandbox.methods.listings import ALL
from infra.sandbox.methods.parameter_values import (
    NamedContract,
    date_of,
    finite,
    invalid,
    named_contract,
)
from infra.sandbox.wire.envelope import GatewayError, account_error, business_error

METHOD = "INTERNAL"
# Tiger's word for a transfer that is done. Source: tigeropen 3.8.0, `trade/trade_client.py`.
DONE = "Succ"
TRANSFER_COUNT_MAX = 50


class TransferItemParameters(NamedContract, frozen=True, kw_only=True):
    """How much of which contract is to move."""

    quantity: Decimal | None = None


class TransferParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `position_transfer`."""

    from_account: str = ""
    to_account: str = ""
    market: str | None = None
    transfers: tuple[TransferItemParameters, ...] = ()


class RecordsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the lists of transfers (dates: yyyy-MM-dd, both inclusive)."""

    account_id: str = ""
    since_date: str | None = None
    to_date: str | None = None
    status: str | None = None
    market: str | None = None
    symbol: str | None = None


class DetailParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `position_transfer_detail`."""

    id: str = ""
    account_id: str = ""


def position_transfer(call: Call) -> object:
    """Move holdings from one account of the login to another."""
    asked = parameters(call, TransferParameters)
    for field, number in (("from_account", asked.from_account), ("to_account", asked.to_account)):
        if not number:
            raise business_error(f"field '{field}' cannot be empty")
    source = account_of(call, asked.from_account)
    target = account_of(call, asked.to_account)
    items, market = _items(asked, source)
    with refusals_of(source):
        done = transfer_desk.transfer(
            call.engine, source, target, items, market=market, now=call.now
        )
    return _record_json(done, source, call) | {"comment": ""}


def position_transfer_records(call: Call) -> object:
    """List the transfers out of an account and into it, newest first."""
    asked = parameters(call, RecordsParameters)
    account = account_of(call, asked.account_id)
    is_wanted = _filter(asked)
    return [
        _record_json(item, account, call)
        for item in reversed(call.engine.book.funds.position_transfers.values())
        if account.account in (item.from_account, item.to_account) and is_wanted(item)
    ]


def position_transfer_detail(call: Call) -> object:
    """Return one transfer with what it moved."""
    asked = parameters(call, DetailParameters)
    account = account_of(call, asked.account_id)
    if not asked.id:
        raise business_error("field 'id' cannot be empty")
    transfers = call.engine.book.funds.position_transfers
    found = transfers.get(int(asked.id)) if asked.id.isdecimal() else None
    if found is None or account.account not in (found.from_account, found.to_account):
        raise _unknown(account)
    return _record_json(found, account, call) | {
        "detail": [_item_json(found, item, account) for item in found.items]
    }


def position_transfer_external_records(call: Call) -> object:
    """List the transfers from and to other brokers, of which there are none."""
    asked = parameters(call, RecordsParameters)
    account_of(call, asked.account_id)
    _filter(asked)
    return []


def _items(asked: TransferParameters, source: Account) -> tuple[list[TransferredItem], str]:
    if not 0 < len(asked.transfers) <= TRANSFER_COUNT_MAX:
        raise business_error("field 'transfers' cannot be empty")
    items, markets = [], set()
    for wanted in asked.transfers:
        instrument = named_contract(wanted)
        quantity = finite(wanted.quantity, "quantity")
        if quantity is None or quantity <= 0:
            raise invalid("quantity")
        if instrument is None or asked.market not in (*ALL, instrument.market):
            raise account_error(source.kind, f"bad_request:{wanted.symbol} can not be transferred")
        items.append(TransferredItem(key=instrument.key, quantity=quantity))
        markets.add(instrument.market)
    if len(markets) > 1:
        raise invalid("market")
    return items, markets.pop()


def _filter(asked: RecordsParameters) -> Callable[[PositionTransfer], bool]:
    for field, text in (("since_date", asked.since_date), ("to_date", asked.to_date)):
        if not text:
            raise business_error(f"field '{field}' cannot be empty")
    since, until = date_of(asked.since_date, "since_date"), date_of(asked.to_date, "to_date")

    def is_wanted(item: PositionTransfer) -> bool:
        day = item.finished_at.astimezone(BROKER_ZONE).date()
        symbols = {found.symbol for part in item.items if (found := find(part.key)) is not None}
        return (
            (since is None or day >= since)
            and (until is None or day <= until)
            and asked.status in (*ALL, DONE)
            and asked.market in (*ALL, item.market)
            and (asked.symbol in ALL or asked.symbol in symbols)
        )

    return is_wanted


def _record_json(item: PositionTransfer, account: Account, call: Call) -> Json:
    is_out = account.account == item.from_account
    moment = _moment(item)
    return {
        "id": str(item.transfer_id),
        "accountId": account.account,
        "counterpartyAccountId": item.to_account if is_out else item.from_account,
        "method": METHOD,
        "direction": _direction(item, account),
        "status": DONE,
        "memo": "",
        "userId": call.login.tiger_id,
        "userName": call.login.name,
        "finishedAt": moment,
        "updatedAt": moment,
        "createdAt": moment,
    }


def _item_json(item: PositionTransfer, part: TransferredItem, account: Account) -> Json:
    instrument = find(part.key)
    assert instrument is not None, "a contract was resolved when it was moved"
    moment = _moment(item)
    return {
        "transferId": str(item.transfer_id),
        "direction": _direction(item, account),
        "symbol": instrument.symbol,
        "formattedSymbol": instrument.key,
        "market": instrument.market,
        "quantity": double(part.quantity),
        "status": DONE,
        "message": "",
        "updatedAt": moment,
        "createdAt": moment,
    }


def _direction(item: PositionTransfer, account: Account) -> str:
    return "OUT" if account.account == item.from_account else "IN"


def _moment(item: PositionTransfer) -> str:
    return item.finished_at.astimezone(BROKER_ZONE).strftime("%Y-%m-%d %H:%M:%S")


def _unknown(account: Account) -> GatewayError:
    return account_error(account.kind, "not_found:The transfer does not exist")
