"""A worker whose live account is at the sandbox: a test's own main, never shipped."""

import sys

from msgspec.structs import replace

from adapters.tiger_worker.__main__ import access_of, parse_arguments, run
from adapters.tiger_worker.session import LoginAccess
from core.modes import Environment
from infra.config import load_settings
from infra.home import Home, LoginSettings


def _at_the_sandbox(home: Home, login: LoginSettings) -> LoginAccess:
    accounts = tuple(replace(each, environment=Environment.SANDBOX) for each in login.accounts)
    return access_of(home, replace(login, accounts=accounts))


if __name__ == "__main__":
    arguments = parse_arguments(sys.argv[1:])
    run(load_settings(home=arguments.home), arguments.login, find_access=_at_the_sandbox)
