"""How a worker's login reaches its broker, and what it says where files of the home are wrong."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from adapters.tiger_worker.__main__ import access_of
from core.errors import ConfigError
from core.modes import Environment, Mode
from infra.home import Home, LoginSettings, SandboxAddress
from infra.sandbox.logins.files import LOGIN_FILE, PORTS_FILE, Ports
from infra.supervisor.installation import load_or_make

PORTS = Ports(ready=True, http=8701, push=8702, control=8703, pid=1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.path.mkdir(mode=0o700)
    load_or_make(made)
    made.sandbox.joinpath(PORTS_FILE).write_bytes(msgspec.json.encode(PORTS))
    return made


def first_login(home: Home) -> LoginSettings:
    return home.load().logins[0]


def login_file(home: Home) -> Path:
    return (home.path / first_login(home).properties).with_name(LOGIN_FILE)


def of_world(login: LoginSettings, *worlds: Environment) -> LoginSettings:
    account = replace(login.accounts[0], mode=Mode.READ_ONLY)
    return replace(login, accounts=tuple(replace(account, environment=each) for each in worlds))


def refused(home: Home, login: LoginSettings) -> str:
    with pytest.raises(ConfigError) as caught:
        access_of(home, login)
    return str(caught.value)


def test_the_homes_own_sandbox_is_where_it_runs_now(home: Home) -> None:
    found = access_of(home, first_login(home))
    assert found.environment is Environment.SANDBOX
    assert (found.server_url, found.push_port) == ("http://127.0.0.1:8701/gateway", 8702)
    assert found.gateway_key == told(home)["tiger_public_key"]


def test_another_sandbox_is_where_the_person_said(home: Home) -> None:
    address = SandboxAddress(server_url="http://127.0.0.1:1/gateway", gateway_key="k", push_port=2)
    found = access_of(home, replace(first_login(home), sandbox=address))
    assert (found.server_url, found.gateway_key, found.push_port) == (
        address.server_url,
        address.gateway_key,
        address.push_port,
    )


@pytest.mark.parametrize("world", [Environment.PAPER, Environment.LIVE])
def test_a_real_login_names_no_address_of_its_own(home: Home, world: Environment) -> None:
    found = access_of(home, of_world(first_login(home), world))
    assert (found.environment, found.server_url, found.gateway_key) == (world, "", "")


def test_accounts_of_two_worlds_are_no_login(home: Home) -> None:
    login = first_login(home)
    mixed = of_world(login, Environment.SANDBOX, Environment.PAPER)
    assert "sandbox accounts beside others" in refused(home, mixed)
    assert "to have an account" in refused(home, of_world(login))


def test_a_file_that_others_may_read_is_named_with_what_mends_it(home: Home) -> None:
    file = home.path / first_login(home).properties
    file.chmod(0o640)
    assert f"chmod 600 {file}" in refused(home, first_login(home))


def test_a_sandbox_that_does_not_run_is_said(home: Home) -> None:
    home.sandbox.joinpath(PORTS_FILE).unlink()
    assert "`tiger-mcp up`" in refused(home, first_login(home))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
def test_a_damaged_file_of_the_sandbox_is_one_sentence(home: Home, body: bytes) -> None:
    login_file(home).write_bytes(body)
    assert refused(home, first_login(home)).startswith(f"expected {login_file(home)} as")


def test_a_missing_file_of_the_sandbox_is_one_sentence(home: Home) -> None:
    login_file(home).unlink()
    assert refused(home, first_login(home)).startswith(f"expected {LOGIN_FILE} beside")


def told(home: Home) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(login_file(home).read_bytes())
    return found
