"""What the commands for a running sandbox share: declaring one, and reading its words."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from infra.sandbox.control.client import SandboxControl
from infra.sandbox.logins.files import (
    LOGIN_FILE,
    LoginFile,
)

ALL: Final = "all"

Act = Callable[[argparse.Namespace, SandboxControl], object]

if TYPE_CHECKING:
    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]


class CommandError(Exception):
    """The command was not done; the text says why, and what to do."""


def add_command(commands: "Subcommands", name: str, text: str, act: Act) -> argparse.ArgumentParser:
    """Declare a command, and return its parser for more words."""
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(act=act)
    # Given before or after the command's name; one that is absent here hides none before.
    parser.add_argument("--home", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser


def count_of(text: str) -> int | None:
    """Return how often a fault is to be met; none: until it is removed.

    Raises:
        ValueError: neither a number nor `all`.
    """
    return None if text == ALL else int(text)


def account_number(home: Path, name: str) -> str:
    """Return the number of an account that is called by its alias, or the number itself.

    Raises:
        CommandError: more than one login has an account of that alias.
    """
    files = sorted(home.glob(f"logins/*/{LOGIN_FILE}"))
    logins = [msgspec.json.decode(file.read_bytes(), type=LoginFile) for file in files]
    numbers = {item.account for login in logins for item in login.accounts if item.alias == name}
    if len(numbers) > 1:
        raise CommandError(f"more than one login has an account {name}; give its number")
    return next(iter(numbers), name)


def pairs_of(texts: Sequence[str]) -> dict[str, str]:
    """Return words of the form NAME=VALUE, by name.

    Raises:
        CommandError: a word has another form.
    """
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise CommandError(f"expected NAME=VALUE, was {text}")
        pairs[name] = value
    return pairs
