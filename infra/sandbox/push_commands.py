"""The commands about a running sandbox's push side: who is connected, and what shall go wrong."""

import argparse
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
from infra.sandbox.control.client import SandboxControl
from infra.sandbox.push.faults import AnyPushEffect, Kind

if TYPE_CHECKING:
    from infra.sandbox.command_words import Subcommands


def add_push_commands(commands: "Subcommands") -> None:
    """Declare `push` and what stands below it."""
    push = commands.add_parser("push", help="look at push connections, and disturb them")
    kinds = push.add_subparsers(required=True, metavar="COMMAND")
    add_command(kinds, "connections", "list who is connected", _connections)
    add_command(kinds, "journal", "list what happened to connections", _journal)
    for name, text in (
        ("kick", "end connections as a newer one of the same login does"),
        ("cut", "close connections without a word"),
        ("pause", "send nothing until `resume`"),
        ("resume", "send again, first what waited"),
    ):
        act = add_command(kinds, name, text, _act)
        act.set_defaults(name=name)
        act.add_argument("--tiger-id", help="only this login's")
    add_command(kinds, "release", "send the frames that a fault holds", _release)
    fault = kinds.add_parser("fault", help="add, list or clear faults of pushed frames")
    faults = fault.add_subparsers(required=True, metavar="add|list|clear")
    add = add_command(faults, "add", "put a fault in force", _fault_add)
    names = ", ".join(str(each.__struct_config__.tag) for each in get_args(AnyPushEffect))
    add.add_argument("type", help=names)
    add.add_argument("parameters", nargs="*", metavar="NAME=VALUE")
    add.add_argument("--kind", choices=get_args(Kind), help="only frames of this kind")
    add.add_argument("--tiger-id", help="only this login")
    add.add_argument("--account", help="only data of this account (number or alias)")
    add.add_argument("--count", default="1", help=f"how many it meets; or `{ALL}`")
    add_command(faults, "list", "list the faults in force", _fault_list)
    add_command(faults, "clear", "remove all faults", _fault_clear)


def _connections(_given: argparse.Namespace, control: SandboxControl) -> object:
    return control.push.connections()


def _journal(_given: argparse.Namespace, control: SandboxControl) -> object:
    return control.push.journal()


def _act(given: argparse.Namespace, control: SandboxControl) -> object:
    acts = {
        "kick": control.push.kick,
        "cut": control.push.cut,
        "pause": control.push.pause,
        "resume": control.push.resume,
    }
    return {"count": acts[given.name](given.tiger_id)}


def _release(_given: argparse.Namespace, control: SandboxControl) -> object:
    return {"count": control.push.release()}


def _fault_add(given: argparse.Namespace, control: SandboxControl) -> object:
    effect = {"type": given.type} | pairs_of(given.parameters)
    try:
        fault_id = control.push.add_fault(
            # Every value is a text here, so that the effect's own types decide.
            msgspec.convert(effect, AnyPushEffect, strict=False),
            kind=given.kind,
            tiger_id=given.tiger_id,
            account=None if given.account is None else account_number(given.home, given.account),
            count=count_of(given.count),
        )
    except (msgspec.ValidationError, ValueError) as error:
        raise CommandError(f"no such fault: {error}") from None
    return {"fault_id": fault_id}


def _fault_list(_given: argparse.Namespace, control: SandboxControl) -> object:
    return control.push.faults()


def _fault_clear(_given: argparse.Namespace, control: SandboxControl) -> object:
    control.push.clear_faults()
    return control.push.faults()
