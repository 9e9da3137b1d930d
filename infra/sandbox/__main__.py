"""`python -P -m infra.sandbox`: run a sandbox broker in the foreground."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

import msgspec

from infra.sandbox.home import AccountSpec, LoginSpec, SandboxHomeError
from infra.sandbox.service import Options, serve
from infra.sandbox.store import StoredBookError


def main() -> int:
    """Read the options and serve; return the exit code."""
    options = _options()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        asyncio.run(serve(options))
    except (SandboxHomeError, StoredBookError, OSError) as error:
        logging.getLogger("sandbox").error("sandbox not started: %s", error)
        return 1
    return 0


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -P -m infra.sandbox", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder of the sandbox's files")
    parser.add_argument("--http", type=int, default=0, help="Tiger port; 0 picks one")
    parser.add_argument("--control", type=int, default=0, help="control port; 0 picks one")
    parser.add_argument("--seed", type=int, default=1, help="seed of the price process")
    parser.add_argument("--unsigned", action="store_true", help="leave out the replies' signature")
    parser.add_argument(
        "--price-drift", choices=("on", "off"), default="on", help="whether prices move by time"
    )
    parser.add_argument(
        "--login",
        action="append",
        type=_login,
        default=[],
        metavar="NAME=ALIAS:KIND[,ALIAS:KIND]",
        help="a login with its accounts (prime or paper); may be repeated",
    )
    given = parser.parse_args()
    return Options(
        home=given.home,
        http_port=given.http,
        control_port=given.control,
        seed=given.seed,
        is_signed=not given.unsigned,
        price_drift=given.price_drift == "on",
        logins=tuple(given.login),
    )


def _login(text: str) -> LoginSpec:
    name, _, accounts = text.partition("=")
    pairs = [item.partition(":") for item in accounts.split(",")]
    if not name.isidentifier() or any(not alias for alias, _, _ in pairs):
        raise argparse.ArgumentTypeError(f"expected NAME=ALIAS:KIND, was {text}")
    try:
        specs = [
            msgspec.convert({"alias": alias, "kind": kind}, AccountSpec) for alias, _, kind in pairs
        ]
    except msgspec.ValidationError:
        raise argparse.ArgumentTypeError(f"expected prime or paper in {text}") from None
    return LoginSpec(name=name, accounts=tuple(specs))


if __name__ == "__main__":
    sys.exit(main())
