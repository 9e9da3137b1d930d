"""What a login's own files and the broker say of it: the real SDK, asked on the real sandbox."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from tigeropen.common.util import web_utils
from tigeropen.tiger_open_config import TIGER_PUBLIC_KEY

from adapters.tiger_worker.credentials import managed_accounts, read_credentials
from adapters.tiger_worker.session import LoginAccess, Session
from core.errors import BrokerUnavailableError, ConfigError
from core.modes import Environment
from infra.sandbox.logins.files import (
    PROPERTIES_FILE,
    TOKEN_FILE,
    login_folder,
)
from infra.sandbox.wire import faults
from tests.support.sandbox import Sandbox, running_sandbox

Fields = dict[str, str]
LOGINS: Final = (
    *("--login", "desk=main:prime,paper:paper"),
    *("--login", "second=second:paper"),
    *("--login", "hong=hong:prime;licence=TBHK"),
)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("credentials"), *LOGINS) as running:
        yield running


@pytest.fixture
def broker(sandbox: Sandbox) -> Iterator[Sandbox]:
    sandbox.control.clear_faults()
    yield sandbox
    sandbox.control.clear_faults()
    web_utils.http_pool.clear()


def fields_of(sandbox: Sandbox, login: str = "desk") -> Fields:
    text = (login_folder(sandbox.home, login) / PROPERTIES_FILE).read_text()
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, _, value in pairs}


def written(folder: Path, fields: Fields, *, name: str = PROPERTIES_FILE) -> Path:
    file = folder / name
    file.write_text("".join(f"{name}={value}\n" for name, value in fields.items()))
    return file


def asked(
    sandbox: Sandbox, file: Path, *, gateway_key: str | None = None
) -> list[tuple[str, str, str]]:
    key = sandbox.login().tiger_public_key if gateway_key is None else gateway_key
    access = LoginAccess(
        properties=file,
        environment=Environment.SANDBOX,
        server_url=sandbox.url,
        gateway_key=key,
    )
    found = managed_accounts(Session(access, timeout_s=2.0))
    return [(each.number, each.account_type, each.status) for each in found]


# --- files ------------------------------------------------------------------------------------


def test_a_file_of_tigers_is_read_whatever_its_name(sandbox: Sandbox, tmp_path: Path) -> None:
    fields = fields_of(sandbox) | {"license": "TBSG"}
    read = read_credentials(written(tmp_path, fields, name="mine.txt"), is_sandbox=False)
    assert (read.tiger_id, read.account) == (fields["tiger_id"], fields["account"])
    assert (read.licence, read.server_url) == (
        "TBSG",
        "https://openapi.tigerfintech.com/gateway",
    )
    assert read.token_path == tmp_path / TOKEN_FILE
    assert fields["tiger_id"] not in repr(read)
    american = written(tmp_path, fields | {"license": "TBUS"})
    assert "tradeup" in read_credentials(american, is_sandbox=False).server_url


@pytest.mark.parametrize("kept", ["private_key_pk8", "private_key_pk1"])
def test_one_form_of_the_key_is_enough(sandbox: Sandbox, tmp_path: Path, kept: str) -> None:
    fields = fields_of(sandbox)
    (gone,) = {"private_key_pk8", "private_key_pk1"} - {kept}
    del fields[gone]
    file = written(tmp_path, fields)
    read_credentials(file, is_sandbox=True)
    assert len(asked(sandbox, file)) == 2


WRONG: Final[dict[str, tuple[Fields, str]]] = {
    "no tiger_id": ({"tiger_id": ""}, "tiger_id: missing"),
    "a word for a tiger_id": ({"tiger_id": "abc"}, "tiger_id: expected digits"),
    "no key": ({"private_key_pk1": "", "private_key_pk8": ""}, "private_key: expected private"),
    "half a key": ({"private_key_pk8": "MIICdwIBADANBgkq"}, "private_key: expected the base64"),
    "no base64": ({"private_key_pk8": "-----BEGIN KEY-----"}, "private_key: expected the base64"),
    "no licence": ({"license": ""}, "license: expected one of TBNZ, TBSG"),
    "another licence": ({"license": "TBUK"}, "license: expected one of TBNZ, TBSG"),
    "Tiger's old sandbox": ({"env": "SANDBOX"}, "env: expected PROD"),
    "Hong Kong without a token": ({"license": "TBHK"}, "token: the licence TBHK needs"),
    "a space after the id": ({"tiger_id": "20150001 "}, "tiger_id: expected no space"),
    "a space after the licence": ({"license": "TBUS "}, "license: expected no space"),
    "a space before the account": ({"account": "\\ 51230000"}, "account: expected no space"),
    "a tab after the world": ({"env": "SANDBOX\t"}, "env: expected no space"),
    "a zone of the moon": ({"timezone": "Moon/Base"}, "timezone: expected a name"),
}
WAYS: Final = ("developer page", "paper account", "take it out", "take the line out")


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_field_is_named_with_the_way_to_get_it(
    sandbox: Sandbox, tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    changes, expected = WRONG[case]
    fields = fields_of(sandbox) | {"license": "TBSG"} | changes
    with pytest.raises(ConfigError) as caught:
        read_credentials(written(tmp_path, fields), is_sandbox=False)
    said = str(caught.value) + "".join(capfd.readouterr())
    assert str(caught.value).startswith(expected)
    assert any(way in said for way in WAYS)
    secrets = [value for name, value in fields.items() if len(value) > 8 and name != "license"]
    assert [secret for secret in secrets if secret in said] == []


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"tiger_id=\\uZZZZ\n", b"tiger_id=1\n" * 10_000], ids=repr
)
def test_a_file_that_does_not_read_is_refused_quietly(
    tmp_path: Path, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / PROPERTIES_FILE
    file.write_bytes(body)
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigError):
        read_credentials(file, is_sandbox=True)
    assert [record for record in caplog.records if record.name == "root"] == []


@pytest.mark.parametrize("case", [case for case in WRONG if " space" in WRONG[case][1]])
def test_the_worker_refuses_what_account_add_refuses(
    sandbox: Sandbox, tmp_path: Path, case: str
) -> None:
    changes, expected = WRONG[case]
    file = written(tmp_path, fields_of(sandbox) | {"license": "TBSG"} | changes)
    with pytest.raises(ConfigError) as caught:
        Session(LoginAccess(properties=file, environment=Environment.LIVE), timeout_s=1.0)
    assert str(caught.value).startswith(expected)


def test_a_byte_order_mark_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    file = written(tmp_path, fields_of(sandbox))
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    with pytest.raises(ConfigError, match="BOM"):
        read_credentials(file, is_sandbox=True)


TOKEN_FILES: Final[dict[str, tuple[bytes, str]]] = {
    "no text": (b"\xff\xfe", "UTF-8"),
    "a mark": (b"\xef\xbb\xbftoken=abc\n", "BOM"),
    "a space": (b"token=abc \n", "token: expected no space"),
    "no lines": (b"token=\\uZZZZ\n", "NAME=VALUE"),
    "no token": (b"# nothing\n", "holds no token"),
}


@pytest.mark.parametrize("case", TOKEN_FILES)
def test_a_bad_token_file_is_blamed_itself(sandbox: Sandbox, tmp_path: Path, case: str) -> None:
    body, expected = TOKEN_FILES[case]
    file = written(tmp_path, fields_of(sandbox, "hong"))
    (tmp_path / TOKEN_FILE).write_bytes(body)
    with pytest.raises(ConfigError) as caught:
        read_credentials(file, is_sandbox=False)
    assert expected in str(caught.value)
    assert str(tmp_path / TOKEN_FILE) in str(caught.value)
    assert str(file) not in str(caught.value)


def test_a_folder_in_place_of_the_token_file_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    file = written(tmp_path, fields_of(sandbox, "hong"))
    (tmp_path / TOKEN_FILE).mkdir()
    with pytest.raises(ConfigError, match=f"{TOKEN_FILE}, was a folder"):
        read_credentials(file, is_sandbox=False)


# --- the broker's word ------------------------------------------------------------------------


def test_the_broker_tells_prime_from_paper(broker: Sandbox) -> None:
    before = broker.control.request_count("accounts")
    file = login_folder(broker.home, "desk") / PROPERTIES_FILE
    assert sorted(asked(broker, file)) == sorted(
        [
            (broker.account("main"), "STANDARD", "Funded"),
            (broker.account("paper"), "PAPER", "Funded"),
        ]
    )
    # One call, and none that changes anything.
    assert broker.control.request_count("accounts") == before + 1
    assert broker.control.request_count("place_order") == 0


def test_a_login_of_hong_kong_needs_a_good_token(broker: Sandbox, tmp_path: Path) -> None:
    file = login_folder(broker.home, "hong") / PROPERTIES_FILE
    assert read_credentials(file, is_sandbox=True).licence == "TBHK"
    assert [account[1] for account in asked(broker, file)] == ["STANDARD"]
    copy = written(tmp_path, fields_of(broker, "hong"))
    (tmp_path / TOKEN_FILE).write_text("token=MTcwMDAwMDAwMDAwMCwxNzAwMDAwMDAwMDAweA==\n")
    with pytest.raises(ConfigError, match="token: the broker refuses it") as caught:
        asked(broker, copy)
    # How long one lives stands in the token; Tiger's own texts differ.
    assert "days" not in str(caught.value)
    assert "tiger-mcp doctor" in str(caught.value)


def another_id(broker: Sandbox) -> Fields:
    return {"tiger_id": "20159999999"}


def anothers_key(broker: Sandbox) -> Fields:
    other = fields_of(broker, "second")
    return {name: other[name] for name in ("private_key_pk1", "private_key_pk8")}


@pytest.mark.parametrize(
    "change, expected",
    [(another_id, "tiger_id: the broker does not"), (anothers_key, "private_key: it does not")],
)
def test_what_the_broker_refuses_is_named(
    broker: Sandbox, tmp_path: Path, change: Callable[[Sandbox], Fields], expected: str
) -> None:
    fields = fields_of(broker) | change(broker)
    with pytest.raises(ConfigError) as caught:
        asked(broker, written(tmp_path, fields))
    assert str(caught.value).startswith(expected)
    assert all(value not in str(caught.value) for value in fields.values() if len(value) > 8)


def test_a_reply_signed_with_another_key_is_refused(broker: Sandbox) -> None:
    file = login_folder(broker.home, "desk") / PROPERTIES_FILE
    with pytest.raises(ConfigError, match="--gateway-key"):
        asked(broker, file, gateway_key="")
    with pytest.raises(ConfigError, match="was Tiger's"):
        asked(broker, file, gateway_key=TIGER_PUBLIC_KEY)


FAULTS: Final[dict[str, tuple[faults.AnyEffect, type[Exception], str]]] = {
    "white list": (
        faults.ErrorCode(code=4, message="access forbidden(ip is not in the white list)"),
        ConfigError,
        "IP white list",
    ),
    "rate": (
        faults.ErrorCode(code=4, message="rate limit error(current limiting interface:accounts)"),
        ConfigError,
        "wait a minute",
    ),
    "unforeseen": (
        faults.ErrorCode(code=1, message="server error of account 51230321"),
        BrokerUnavailableError,
        "code 1",
    ),
    "500": (faults.HttpStatus(status=500), BrokerUnavailableError, "not Tiger's gateway"),
    "half a body": (faults.MalformedBody(), BrokerUnavailableError, "cannot be reached"),
    "dropped": (faults.DropBeforeAcceptance(), BrokerUnavailableError, "cannot be reached"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_else_may_go_wrong_is_said_without_the_brokers_words(
    broker: Sandbox, case: str
) -> None:
    effect, error_class, expected = FAULTS[case]
    broker.control.add_fault(effect, method="accounts")
    file = login_folder(broker.home, "desk") / PROPERTIES_FILE
    with pytest.raises(error_class) as caught:
        asked(broker, file)
    assert expected in str(caught.value)
    assert "51230321" not in str(caught.value)
    assert caught.value.__cause__ is None


# --- hosts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("environment", [Environment.PAPER, Environment.LIVE])
@pytest.mark.parametrize(
    "line",
    [
        {"server_url": "https://example.com/gateway"},
        {"server_url": "https://openapi.tigerfintech.com@192.0.2.1/gateway"},
        {"server_url": "https://openapi.tigerfintech.com.example.com/gateway"},
        {"server_url": "http://openapi.tigerfintech.com/gateway"},
        {"server_url": "http://127.0.0.1:1/gateway"},
        {"socket_host_port": "ssl,example.com,9883"},
        {"socket_host_port": "tcp,openapi.tigerfintech.com,9883"},
    ],
    ids=str,
)
def test_a_real_login_talks_to_tiger_alone_whatever_its_file_says(
    sandbox: Sandbox, tmp_path: Path, environment: Environment, line: Fields
) -> None:
    file = written(tmp_path, fields_of(sandbox) | line)
    with pytest.raises(ConfigError):
        Session(LoginAccess(properties=file, environment=environment), timeout_s=1.0)
