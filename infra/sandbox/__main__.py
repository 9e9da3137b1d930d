"""`python -P -m infra.sandbox`: run a sandbox broker, or control one that runs."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from infra.sandbox.clock import START_DEFAULT
from infra.sandbox.command_words import CommandError
from infra.sandbox.commands import add_commands, run_command
from infra.sandbox.home import LoginSpec, SandboxHomeError
from infra.sandbox.logins.options import SHAPE, login_spec
from infra.sandbox.service import Options, serve
from infra.sandbox.store import StoredBookError

HOME_DEFAULT = Path("~/.tiger-sandbox")
_PORTS = {
    "--http": "Tiger port",
    "--control": "control port",
    "--push": "push port over TCP",
    "--push-tls": "push port over TLS",
}


def main(words: Sequence[str] | None = None) -> int:
    """Read the options, then serve or do one command; return the exit code.

    Args:
        words: the options; none: those that the process was started with.
    """
    given = _parser().parse_args(words)
    given.home = given.home.expanduser().absolute()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        if "act" in given:
            sys.stdout.write(run_command(given) + "\n")
        else:
            asyncio.run(serve(_options(given)))
    except CommandError as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 1
    except (SandboxHomeError, StoredBookError, OSError) as error:
        logging.getLogger("sandbox").error("sandbox not started: %s", error)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__)
    parser.add_argument(
        "--home",
        type=Path,
        default=HOME_DEFAULT,
        help="folder of the sandbox's files; made if it is missing",
    )
    for option, what in _PORTS.items():
        words = f"{what}; 0 picks one; without it, that of the last start where it is free"
        parser.add_argument(option, type=int, default=None, metavar="PORT", help=words)
    parser.add_argument("--seed", type=int, default=1, help="seed of the price process")
    parser.add_argument(
        "--clock",
        type=_clock_start,
        default=None,
        metavar="real|virtual[:START]",
        help="the system's time, or one that only the control API moves, from an ISO 8601 time on",
    )
    parser.add_argument("--unsigned", action="store_true", help="leave out the replies' signature")
    parser.add_argument(
        "--price-drift", choices=("on", "off"), default="on", help="whether prices move by time"
    )
    parser.add_argument(
        "--login",
        action="append",
        type=_login,
        default=[],
        metavar=SHAPE,
        help="a login with its accounts (prime or paper), its licence, and its quote rights with "
        "their ends (ms since 1970); may be repeated",
    )
    add_commands(parser)
    return parser


def _options(given: argparse.Namespace) -> Options:
    return Options(
        home=given.home,
        http_port=given.http,
        control_port=given.control,
        push_port=given.push,
        push_tls_port=given.push_tls,
        seed=given.seed,
        is_signed=not given.unsigned,
        price_drift=given.price_drift == "on",
        clock_start=given.clock,
        logins=tuple(given.login),
    )


def _clock_start(text: str) -> datetime | None:
    kind, _, start = text.partition(":")
    if text == "real":
        return None
    if kind != "virtual":
        raise argparse.ArgumentTypeError(f"expected real or virtual[:START], was {text}")
    if not start:
        return START_DEFAULT
    try:
        moment = datetime.fromisoformat(start)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected an ISO 8601 time, was {start}") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"expected a time with its zone, was {start}")
    return moment.astimezone(UTC)


def _login(text: str) -> LoginSpec:
    try:
        return login_spec(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
