"""What a person can ask of a running sandbox from the command line.

Each command finds the control port by the home and prints the answer as JSON.
"""

import argparse
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, get_args

import msgspec

from infra.sandbox.command_words import (
    ALL,
    CommandError,
    account_number,
    add_command,
    count_of,
    pairs_of,
)
from infra.sandbox.control.client import SandboxControl, SandboxControlError
from infra.sandbox.logins.files import (
    read_ports,
)
from infra.sandbox.push_commands import add_push_commands
from infra.sandbox.settings import Settings
from infra.sandbox.wire.faults import AnyEffect, FaultRule

if TYPE_CHECKING:
    from infra.sandbox.command_words import Subcommands


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Give a parser the commands; one that is chosen is in `act`."""
    commands = parser.add_subparsers(
        title="commands for a sandbox that runs (none: run one)", metavar="COMMAND"
    )
    _add_fault_commands(commands)
    price = add_command(commands, "price", "put a contract at a price", _price)
    price.add_argument("symbol")
    price.add_argument("price", type=Decimal)
    advance = add_command(commands, "advance", "move prices on, by steps", _advance)
    advance.add_argument("steps", type=int, nargs="?", default=1)
    clock = add_command(
        commands, "clock", "tell the broker's time, or move a virtual clock", _clock
    )
    clock.add_argument("--advance-ms", type=int, metavar="N")
    clock.add_argument("--set", dest="to", type=datetime.fromisoformat, metavar="TIME")
    book = add_command(commands, "book", "show an account as the broker has it", _book)
    book.add_argument("account", help="number or alias")
    journal = add_command(commands, "journal", "list the requests that arrived", _journal)
    journal.add_argument("--since", type=int, default=0, metavar="N", help="after this number")
    journal.add_argument("--method", help="of one method")
    settings = add_command(commands, "settings", "show the switches, or change some", _settings)
    settings.add_argument("changes", nargs="*", metavar="NAME=VALUE")
    add_command(commands, "release", "let all held requests go on", _release)
    _add_external_commands(commands)
    add_push_commands(commands)


def run_command(given: argparse.Namespace) -> str:
    """Do a command on the sandbox of a home, and return the answer as JSON.

    Raises:
        CommandError: no sandbox runs there, or it says no.
    """
    ports = read_ports(given.home)
    absent = CommandError(f"no sandbox runs on {given.home}; start one, or name another --home")
    if ports is None:
        raise absent
    try:
        answer = given.act(given, SandboxControl(ports.control))
    except SandboxControlError as error:
        raise CommandError(f"the sandbox refused: {error.reason}") from None
    except ConnectionError:
        raise absent from None
    return msgspec.json.format(msgspec.json.encode(answer)).decode()


def _add_fault_commands(
    commands: "Subcommands",
) -> None:
    fault = commands.add_parser("fault", help="add, list or clear faults")
    kinds = fault.add_subparsers(required=True, metavar="add|list|clear|types")
    add = add_command(kinds, "add", "put a fault in force", _fault_add)
    add.add_argument("type", help="name of the fault; `fault types` lists them")
    add.add_argument("parameters", nargs="*", metavar="NAME=VALUE")
    add.add_argument("--method", help="only requests of this method")
    add.add_argument("--account", help="only requests for this account (number or alias)")
    add.add_argument("--count", default="1", help=f"how many requests it meets; or `{ALL}`")
    add.add_argument("--probability", type=Decimal, help="of meeting a request, from 0 to 1")
    add.add_argument("--seed", type=int, default=0, help="of the chance")
    add_command(kinds, "list", "list the faults in force", _fault_list)
    clear = add_command(kinds, "clear", "remove one fault, or all", _fault_clear)
    clear.add_argument("id", type=int, nargs="?")
    add_command(kinds, "types", "list what can go wrong, with its parameters", _fault_types)


def _add_external_commands(
    commands: "Subcommands",
) -> None:
    order = add_command(
        commands, "external-order", "place an order as in the phone app", _app_order
    )
    order.add_argument("account", help="number or alias")
    order.add_argument("side", choices=("BUY", "SELL"))
    order.add_argument("symbol")
    order.add_argument("quantity", type=Decimal)
    order.add_argument("--limit", type=Decimal, help="without it: at the market")
    cancel = add_command(
        commands, "external-cancel", "cancel an order as in the phone app", _app_cancel
    )
    change = add_command(
        commands, "external-modify", "change an order as in the phone app", _app_modify
    )
    fill = add_command(
        commands, "external-fill", "fill an order, whatever the market says", _app_fill
    )
    for parser in (cancel, change, fill):
        parser.add_argument("account", help="number or alias")
        parser.add_argument("id", type=int, help="Tiger's global id of the order")
    for parser in (change, fill):
        parser.add_argument("--quantity", type=Decimal)
    change.add_argument("--limit", type=Decimal)
    fill.add_argument("--price", type=Decimal)
    cash = add_command(commands, "external-cash", "pay cash in, or out (negative)", _app_cash)
    cash.add_argument("account", help="number or alias")
    cash.add_argument("currency")
    cash.add_argument("amount", type=Decimal)
    holding = add_command(
        commands, "external-position", "bring a holding in, or out", _app_position
    )
    holding.add_argument("account", help="number or alias")
    holding.add_argument("symbol", help="a stock's symbol, or a contract's identifier")
    holding.add_argument("quantity", type=Decimal)
    holding.add_argument("price", type=Decimal, help="what a unit is taken to have cost")


def _fault_add(given: argparse.Namespace, control: SandboxControl) -> object:
    effect = {"type": given.type} | pairs_of(given.parameters)
    account = None if given.account is None else account_number(given.home, given.account)
    try:
        rule = FaultRule(
            # Every value is a text here, so that the effect's own types decide.
            effect=msgspec.convert(effect, AnyEffect, strict=False),
            method=given.method,
            account=account,
            count=count_of(given.count),
            probability=given.probability,
            seed=given.seed,
        )
    except (msgspec.ValidationError, ValueError) as error:
        raise CommandError(f"no such fault: {error}; see `fault types`") from None
    return {"fault_id": control.add_rule(rule)}


def _fault_list(_given: argparse.Namespace, control: SandboxControl) -> object:
    return control.faults()


def _fault_clear(given: argparse.Namespace, control: SandboxControl) -> object:
    if given.id is None:
        control.clear_faults()
    else:
        control.remove_fault(given.id)
    return control.faults()


def _fault_types(_given: argparse.Namespace, _control: SandboxControl) -> object:
    return {
        str(each.__struct_config__.tag): {
            "what": (each.__doc__ or "").splitlines()[0],
            "parameters": [
                field.name if field.required else f"{field.name} = {field.default}"
                for field in msgspec.structs.fields(each)
            ],
        }
        for each in get_args(AnyEffect)
    }


def _price(given: argparse.Namespace, control: SandboxControl) -> object:
    return control.set_price(given.symbol, given.price)


def _advance(given: argparse.Namespace, control: SandboxControl) -> object:
    return {"step_count": control.advance(given.steps)}


def _clock(given: argparse.Namespace, control: SandboxControl) -> object:
    if given.advance_ms is not None and given.to is not None:
        raise CommandError("expected either --advance-ms or --set")
    if given.advance_ms is not None:
        control.advance_clock(given.advance_ms)
    elif given.to is not None:
        control.set_clock(given.to)
    return control.clock()


def _book(given: argparse.Namespace, control: SandboxControl) -> object:
    return control.book(account_number(given.home, given.account))


def _journal(given: argparse.Namespace, control: SandboxControl) -> object:
    return control.journal(since=given.since, method=given.method)


def _settings(given: argparse.Namespace, control: SandboxControl) -> object:
    if given.changes:
        merged = msgspec.to_builtins(control.settings()) | pairs_of(given.changes)
        try:
            control.set_settings(msgspec.convert(merged, Settings, strict=False))
        except (msgspec.ValidationError, ValueError) as error:
            raise CommandError(f"no such setting: {error}") from None
    return control.settings()


def _release(_given: argparse.Namespace, control: SandboxControl) -> object:
    return {"count": control.release()}


def _app_order(given: argparse.Namespace, control: SandboxControl) -> object:
    return control.external_order(
        account_number(given.home, given.account),
        given.symbol,
        side=given.side,
        quantity=given.quantity,
        limit_price=given.limit,
    )


def _app_cancel(given: argparse.Namespace, control: SandboxControl) -> object:
    return control.external_cancel(account_number(given.home, given.account), given.id)


def _app_modify(given: argparse.Namespace, control: SandboxControl) -> object:
    account = account_number(given.home, given.account)
    return control.external_modify(
        account, given.id, quantity=given.quantity, limit_price=given.limit
    )


def _app_fill(given: argparse.Namespace, control: SandboxControl) -> object:
    account = account_number(given.home, given.account)
    return control.external_fill(account, given.id, quantity=given.quantity, price=given.price)


def _app_cash(given: argparse.Namespace, control: SandboxControl) -> object:
    account = account_number(given.home, given.account)
    return control.external_cash(account, given.currency, given.amount)


def _app_position(given: argparse.Namespace, control: SandboxControl) -> object:
    account = account_number(given.home, given.account)
    return control.external_position(
        account, given.symbol, quantity=given.quantity, price=given.price
    )
