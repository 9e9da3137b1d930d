"""The list of accounts: which files and names fit, what paper is, and whole changes or none."""

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from core.errors import ConfigError as Refused
from core.modes import Environment, Mode
from infra.accounts import (
    BrokerAccount,
    NewAccount,
    check_mode,
    choose,
    environment_of,
    find_properties,
    kind_of,
    masked,
    sandbox_address,
    with_account,
    with_mode,
    without_account,
)
from infra.home import AccountSettings, Home, Installation, RemovedAccount, digest_of
from infra.supervisor.changes import changed_logins, check_change
from infra.supervisor.installation import has_sandbox, topology_of

PRIME, PAPER = "51234567", "20201234567891234"
URL = "http://127.0.0.1:9000/gateway"
EMPTY = Installation(ledger_id="tm1", logins=())


def new(alias: str = "one", **changes: Any) -> NewAccount:
    made = NewAccount(
        alias=alias,
        login="",
        tiger_id="20150001",
        properties=Path("/keys/one.properties"),
        number=PAPER,
        environment=Environment.PAPER,
        mode=Mode.READ_ONLY,
        sandbox=None,
        tiger_ids={},
    )
    return replace(made, **changes)


def account(number: str, account_type: str, status: str = "Funded") -> BrokerAccount:
    return BrokerAccount(number=number, account_type=account_type, status=status)


ONE = with_account(EMPTY, new())


# --- files ------------------------------------------------------------------------------------


def test_properties_are_a_file_or_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "tiger_openapi_config.properties"
    file.write_text("tiger_id=1\n")
    file.chmod(0o600)
    assert find_properties(tmp_path) == find_properties(file) == file


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="export tiger_openapi_config"):
        find_properties(tmp_path)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o620])
def test_a_file_that_others_may_use_is_refused_with_the_command(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "mine.properties"
    file.write_text("tiger_id=1\n")
    file.chmod(mode)
    with pytest.raises(Refused) as caught:
        find_properties(file)
    assert str(caught.value).endswith(f"type: chmod 600 {file}")
    file.chmod(0o400)
    assert find_properties(file) == file


def test_command_for_a_file_with_a_quote_in_its_name_can_be_typed(tmp_path: Path) -> None:
    file = tmp_path / "ann's file"
    file.write_text("tiger_id=1\n")
    file.chmod(0o644)
    with pytest.raises(Refused) as caught:
        find_properties(file)
    words = shlex.split(str(caught.value).partition("type: ")[2])
    assert words == ["chmod", "600", str(file)]


@pytest.mark.parametrize("field", ["ALIAS", "--login"])
def test_name_of_the_services_own_record_is_refused_for_what_it_is(field: str) -> None:
    asked = new("system") if field == "ALIAS" else new("one", login="system")
    with pytest.raises(Refused, match=f"{field}: system is the name of the service's own record"):
        with_account(EMPTY, asked)


@pytest.mark.skipif(sys.platform == "win32", reason="owners say nothing there")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    theirs = Path("/etc/passwd")
    if os.getuid() == 0:
        theirs = tmp_path / "theirs.properties"
        theirs.write_text("tiger_id=1\n")
        theirs.chmod(0o600)
        os.chown(theirs, 1, 1)
    with pytest.raises(Refused, match="another user's"):
        find_properties(theirs)


# --- prime and paper --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number, account_type, kind",
    [(PRIME, "STANDARD", "prime"), (PAPER, "PAPER", "paper"), ("1" * 18, "PAPER", "paper")],
)
def test_kind_is_what_type_and_number_both_say(number: str, account_type: str, kind: str) -> None:
    assert kind_of(account(number, account_type)) == kind


@pytest.mark.parametrize(
    "number, account_type, status",
    [
        (PRIME, "PAPER", "Funded"),
        (PAPER, "STANDARD", "Funded"),
        ("U1234567", "GLOBAL", "Open"),
        (PRIME, "", "Funded"),
        ("1" * 16, "PAPER", "Funded"),
        ("U" + "1" * 17, "PAPER", "Funded"),
        (PRIME, "STANDARD", "Closed"),
        (PAPER, "PAPER", "Rejected"),
    ],
)
def test_a_kind_in_doubt_is_refused_without_the_number(
    number: str, account_type: str, status: str
) -> None:
    with pytest.raises(Refused) as caught:
        kind_of(account(number, account_type, status))
    assert str(caught.value).startswith("account: ")
    assert number not in str(caught.value)


def test_only_what_listens_here_is_a_sandbox_and_prime_is_live() -> None:
    here = sandbox_address(URL, gateway_key="", push_port=0)
    assert environment_of("paper", None) is Environment.PAPER
    assert environment_of("prime", None) is Environment.LIVE
    assert environment_of("prime", here) is environment_of("paper", here) is Environment.SANDBOX


@pytest.mark.parametrize(
    "url",
    [
        "https://openapi.tigerfintech.com/gateway",
        "http://openapi.tigerfintech.com/gateway",
        "http://192.0.2.1:80/gateway",
        "http://127.0.0.1/gateway",
        "http://127.0.0.1@192.0.2.1:80/gateway",
        "http://user@127.0.0.1:80/gateway",
        "http://127.0.0.1.example.com:80/gateway",
        "http://127.0.0.1:notaport/gateway",
        "ftp://127.0.0.1:80/",
        "127.0.0.1:80",
    ],
)
def test_a_sandbox_is_on_this_machine(url: str) -> None:
    with pytest.raises(Refused, match="--server-url"):
        sandbox_address(url, gateway_key="", push_port=0)


def test_the_account_meant_is_the_one_asked_for_then_the_one_written() -> None:
    both = (account(PRIME, "STANDARD"), account(PAPER, "PAPER"))
    assert choose(both, wanted=PAPER, written=PRIME).number == PAPER
    assert choose(both, wanted="", written=PRIME).number == PRIME
    assert choose(both[:1], wanted="", written="").number == PRIME
    for wanted, written, there in (
        ("", "", both),
        ("99990000", "", both),
        ("", "99990000", both),
        ("", "", ()),
    ):
        with pytest.raises(Refused) as caught:
            choose(there, wanted=wanted, written=written)
        assert all(number not in str(caught.value) for number in (PRIME, PAPER, "99990000"))


@pytest.mark.parametrize("number, shown", [(PAPER, "…1234"), ("12345", "…2345"), ("1234", "…")])
def test_a_number_is_shown_by_its_end_alone(number: str, shown: str) -> None:
    assert masked(number) == shown


# --- changes of the list ----------------------------------------------------------------------


def test_an_account_is_added_under_a_login_of_its_own() -> None:
    (login,) = ONE.logins
    assert (login.name, login.properties, login.sandbox) == ("one", "/keys/one.properties", None)
    assert login.accounts == (
        AccountSettings(
            alias="one", number=PAPER, environment=Environment.PAPER, mode=Mode.READ_ONLY
        ),
    )
    assert not has_sandbox(ONE)


def test_a_known_tiger_id_shares_its_login_and_keeps_its_file() -> None:
    more = new(
        "two",
        number=PRIME,
        environment=Environment.LIVE,
        properties=Path("/keys/other.properties"),
        tiger_ids={"one": "20150001"},
    )
    (login,) = with_account(ONE, more).logins
    assert (login.name, login.properties) == ("one", "/keys/one.properties")
    assert login.aliases == ("one", "two")
    assert with_account(ONE, replace(more, login="one")) == with_account(ONE, more)


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"alias": "one", "number": PRIME}, "ALIAS"),
        ({"alias": "Two"}, "ALIAS"),
        ({"alias": "system"}, "ALIAS"),
        ({"alias": "../x"}, "ALIAS"),
        ({"alias": "two"}, "account"),  # the number of `one`
        ({"number": PRIME, "login": "two", "tiger_ids": {"one": "20150001"}}, "--login"),
        ({"number": PRIME, "login": "one", "tiger_id": "20150002"}, "--login"),
        ({"number": PRIME, "login": "LOGIN"}, "--login"),
        (
            {
                "number": PRIME,
                "tiger_ids": {"one": "20150001"},
                "environment": Environment.SANDBOX,
                "sandbox": sandbox_address(URL, gateway_key="", push_port=0),
            },
            "--server-url",
        ),
    ],
)
def test_what_is_in_use_is_refused_by_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as caught:
        with_account(ONE, new(**({"alias": "two"} | changes)))
    assert str(caught.value).startswith(field)
    assert PAPER not in str(caught.value)


def test_a_removed_account_keeps_its_alias_and_its_place_in_the_ledger() -> None:
    gone = without_account(ONE, "one", left_open=("ord-1",))
    (login,) = gone.logins
    assert login.accounts == ()
    assert login.removed == (
        RemovedAccount(
            alias="one", number=PAPER, environment=Environment.PAPER, left_open=("ord-1",)
        ),
    )
    topology = topology_of(gone)
    assert topology.accounts == topology_of(ONE).accounts == ("one",)
    assert (topology.gateway_accounts, topology_of(ONE).gateway_accounts) == ((), ("one",))
    # The same account comes back to its record; another one may not take its name, nor it another.
    assert with_account(gone, new(tiger_ids={"one": "20150001"})) == ONE
    assert with_account(gone, new()).logins[0].removed == ()
    for other in (
        new(number=PRIME, tiger_ids={"one": "20150001"}),
        new(number=PRIME, tiger_id="20150002", tiger_ids={"one": "20150001"}),
        new(number=PRIME, tiger_id="20150002", login="else"),
        new("two", tiger_ids={"one": "20150001"}),
        new(environment=Environment.LIVE, tiger_ids={"one": "20150001"}),
    ):
        with pytest.raises(Refused, match=r"ALIAS|--login"):
            with_account(gone, other)


def test_a_live_account_is_read_only_in_every_way() -> None:
    live = with_account(EMPTY, new(number=PRIME, environment=Environment.LIVE))
    with pytest.raises(Refused, match="limits and approvals"):
        with_mode(live, "one", Mode.AUTO)
    with pytest.raises(Refused, match="limits and approvals"):
        check_mode(Environment.LIVE, Mode.AUTO)
    assert with_mode(live, "one", Mode.READ_ONLY) == live
    with pytest.raises(ValueError, match="read_only"):
        with_account(EMPTY, new(number=PRIME, environment=Environment.LIVE, mode=Mode.AUTO))


def test_a_hand_written_live_account_in_auto_does_not_load(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.save(with_account(EMPTY, new(mode=Mode.AUTO)))
    home.load()
    body = home.installation_file.read_text().replace('"paper"', '"live"')
    home.installation_file.write_text(body)
    with pytest.raises(Refused, match="read_only"):
        home.load()


def test_a_mode_alone_restarts_no_worker_and_another_account_does() -> None:
    assert changed_logins(ONE, with_mode(ONE, "one", Mode.AUTO)) == ()
    more = with_account(
        ONE, new("two", number=PRIME, environment=Environment.LIVE, tiger_ids={"one": "20150001"})
    )
    assert changed_logins(ONE, more) == ("one",)
    assert changed_logins(more, ONE) == ("one",)
    other = with_account(ONE, new("two", number=PRIME, tiger_id="20150002"))
    assert changed_logins(ONE, other) == ("two",)
    gone = without_account(other, "two", left_open=())
    assert changed_logins(other, gone) == ("two",)
    assert changed_logins(EMPTY, without_account(ONE, "one", left_open=())) == ()


def test_a_running_cluster_takes_no_other_ledger_and_loses_no_login() -> None:
    check_change(EMPTY, ONE)
    for after in (replace(ONE, ledger_id="tm2"), EMPTY):
        with pytest.raises(Refused):
            check_change(ONE, after)
    assert digest_of(ONE) != digest_of(with_mode(ONE, "one", Mode.AUTO))
