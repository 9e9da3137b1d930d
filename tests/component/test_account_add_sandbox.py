"""`account add --server-url`: only what can not be Tiger becomes a sandbox; damage is named."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result
from tigeropen.common.util import web_utils
from tigeropen.tiger_open_config import TIGER_PUBLIC_KEY

from infra.cli.__main__ import main
from infra.home import Home
from infra.sandbox.__main__ import main as sandbox_main
from infra.sandbox.home import GATEWAY_KEY_FILE, REGISTRY_FILE, create_home
from infra.sandbox.logins.files import (
    LOGIN_FILE,
    PORTS_FILE,
    PROPERTIES_FILE,
    login_folder,
)
from tests.support.sandbox import Sandbox, running_sandbox

LOGIN: Final = ("--login", "second=second:paper")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("signed"), *LOGIN) as running:
        yield running


@pytest.fixture
def broker(sandbox: Sandbox) -> Iterator[Sandbox]:
    yield sandbox
    web_utils.http_pool.clear()


def file_of(sandbox: Sandbox) -> Path:
    return login_folder(sandbox.home, "second") / PROPERTIES_FILE


def copy_of(sandbox: Sandbox, folder: Path, more: str = "") -> Path:
    """Return a login's file without what the sandbox keeps beside it."""
    file = folder / PROPERTIES_FILE
    file.write_text(f"{file_of(sandbox).read_text()}{more}")
    file.chmod(0o600)
    return file


def key_file(folder: Path, content: bytes) -> Path:
    file = folder / "gateway_key"
    file.write_bytes(content)
    return file


def add(home: Path, *words: str | Path) -> Result:
    texts = [str(word) for word in words]
    arguments = ["--home", str(home), "account", "add", "one", "--yes", "--props", *texts]
    return CliRunner().invoke(main, arguments)


def refused(home: Path, *words: str | Path) -> str:
    told = add(home, *words)
    assert told.exit_code == 1
    # An error of ours ends the command by a sentence; anything else is a traceback.
    assert isinstance(told.exception, SystemExit), repr(told.exception)
    assert not Home(home).installation_file.exists()
    return told.output


def test_the_sandboxs_own_files_are_enough(broker: Sandbox, tmp_path: Path) -> None:
    told = add(tmp_path, file_of(broker), "--server-url", broker.url)
    assert told.exit_code == 0, told.output
    (login,) = Home(tmp_path).load().logins
    assert login.sandbox is not None
    assert login.sandbox.gateway_key == broker.login("second").tiger_public_key
    assert login.sandbox.push_port == broker.ports.push


def test_a_key_given_by_hand_is_as_good(broker: Sandbox, tmp_path: Path) -> None:
    key = key_file(tmp_path, broker.login("second").tiger_public_key.encode() + b"\n")
    words = ("--server-url", broker.url, "--gateway-key", key)
    told = add(tmp_path / "home", copy_of(broker, tmp_path), *words)
    assert told.exit_code == 0, told.output


@pytest.mark.parametrize(
    "content, expected",
    [
        (None, "--gateway-key: expected a file"),
        (b"", "--gateway-key: expected a file"),
        (b"\xff\xfe\x00", "was no text"),
        (b"bm8ga2V5", "gateway_key: expected the base64"),
        (TIGER_PUBLIC_KEY.encode(), "was Tiger's"),
        (
            f"-----BEGIN PUBLIC KEY-----\n{TIGER_PUBLIC_KEY}\n-----END PUBLIC KEY-----".encode(),
            "was Tiger's",
        ),
    ],
    ids=["none", "empty", "binary", "no key", "Tiger's", "Tiger's in PEM"],
)
def test_what_could_be_tiger_is_not_even_asked(
    broker: Sandbox, tmp_path: Path, content: bytes | None, expected: str
) -> None:
    before = broker.control.request_count("accounts")
    key = () if content is None else ("--gateway-key", key_file(tmp_path, content))
    said = refused(tmp_path / "home", copy_of(broker, tmp_path), "--server-url", broker.url, *key)
    assert expected in said
    assert broker.control.request_count("accounts") == before


def test_an_unsigned_sandbox_is_called_so_and_then_nothing_signed_is_taken(
    broker: Sandbox, tmp_path: Path
) -> None:
    # Whatever leads to Tiger brings signed replies, as this one does.
    words = ("--server-url", broker.url, "--unsigned")
    assert "the reply is not signed" in refused(tmp_path / "home", file_of(broker), *words)
    key = key_file(tmp_path, broker.login("second").tiger_public_key.encode())
    said = refused(tmp_path / "home", file_of(broker), *words, "--gateway-key", key)
    assert "expected no --gateway-key" in said
    with running_sandbox(tmp_path / "plain", *LOGIN, "--unsigned") as plain:
        words = ("--server-url", plain.url, "--unsigned")
        said = refused(tmp_path / "home", copy_of(plain, tmp_path), *words)
        assert "expected the files that a sandbox made" in said
        told = add(tmp_path / "home", file_of(plain), *words)
        assert told.exit_code == 0, told.output
    (login,) = Home(tmp_path / "home").load().logins
    assert login.sandbox is not None
    assert login.sandbox.gateway_key == ""


def test_a_file_of_tigers_becomes_no_sandbox(broker: Sandbox, tmp_path: Path) -> None:
    key = key_file(tmp_path, broker.login("second").tiger_public_key.encode())
    file = copy_of(broker, tmp_path, "license=TBSG\n")
    before = broker.control.request_count("accounts")
    said = refused(tmp_path / "home", file, "--server-url", broker.url, "--gateway-key", key)
    assert "license: " in said
    assert "no sandbox made it" in said
    said = refused(tmp_path / "home", file, "--server-url", broker.url, "--unsigned")
    assert "expected the files that a sandbox made" in said
    (tmp_path / LOGIN_FILE).write_bytes(file_of(broker).with_name(LOGIN_FILE).read_bytes())
    file.write_text(file.read_text() + "tiger_id=20990001\n")
    assert "tiger_id: " in refused(tmp_path / "home", file, "--server-url", broker.url)
    assert broker.control.request_count("accounts") == before


def test_words_for_a_sandbox_need_its_address(broker: Sandbox, tmp_path: Path) -> None:
    assert "give --server-url" in refused(tmp_path / "home", file_of(broker), "--unsigned")


@pytest.mark.parametrize("name", [LOGIN_FILE, PORTS_FILE])
@pytest.mark.parametrize("body", [b"{", b"[]", b'{"ready": "\xff"}'], ids=["cut", "other", "bytes"])
def test_a_damaged_file_of_a_sandbox_is_named(tmp_path: Path, name: str, body: bytes) -> None:
    folder = tmp_path / "sandbox"
    create_home(folder)
    properties = login_folder(folder, "desk") / PROPERTIES_FILE
    damaged = folder / name if name == PORTS_FILE else properties.with_name(name)
    damaged.write_bytes(body)
    said = refused(tmp_path / "home", properties, "--server-url", "http://127.0.0.1:1/gateway")
    assert str(damaged) in said
    assert "damaged" in said


@pytest.mark.parametrize("name", [REGISTRY_FILE, GATEWAY_KEY_FILE])
@pytest.mark.parametrize("body", [b"{", b"\xff"], ids=["cut", "bytes"])
def test_a_sandbox_with_a_damaged_home_says_which_file(
    tmp_path: Path, name: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    create_home(tmp_path)
    (tmp_path / name).write_bytes(body)
    assert sandbox_main(["--home", str(tmp_path)]) == 1
    (said,) = (each.getMessage() for each in caplog.records if each.name == "sandbox")
    assert str(tmp_path / name) in said
    assert (tmp_path / name).read_bytes() == body
