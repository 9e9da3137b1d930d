"""Settings: defaults that are safe, and a sentence for what is wrong."""

import logging
from pathlib import Path

import pytest
import structlog

from core.errors import ConfigError
from infra.config import Settings, child_environment, settings_from
from infra.logs import configure

USER_HOME = Path("/nowhere/user").absolute()


def read(environment: dict[str, str], *, home: Path | None = None) -> Settings:
    return settings_from(environment, home=home, user_home=USER_HOME)


def test_nothing_set_is_a_sandbox_home_of_the_user() -> None:
    assert read({}) == Settings(home=USER_HOME / ".tiger-mcp")


def test_every_setting_is_read() -> None:
    given = {
        "TIGER_MCP_HOME": "~/desk",
        "TIGER_MCP_LOG_LEVEL": "debug",
        "TIGER_MCP_SANDBOX_SEED": "7",
        "TIGER_MCP_START_LIMIT_S": "30.5",
        "TIGER_MCP_TIMEZONE": "Europe/Berlin",
        "TIGER_MCP_NATS_KEYS": "~/keys",
        "TIGER_MCP_NATS_MONITOR": "http://nats:8222",
        "NATS_SERVER": "~/bin/nats-server",
        "NATS_URL": "tls://nats:4222",
    }
    assert read(given) == Settings(
        home=USER_HOME / "desk",
        log_level="debug",
        sandbox_seed=7,
        start_limit_s=30.5,
        timezone="Europe/Berlin",
        nats_keys=USER_HOME / "keys",
        nats_monitor="http://nats:8222",
        nats_server=USER_HOME / "bin/nats-server",
        nats_url="tls://nats:4222",
    )


def test_command_line_stands_over_the_environment() -> None:
    chosen = Path("/nowhere/other").absolute()
    assert read({"TIGER_MCP_HOME": "/nowhere/desk"}, home=chosen).home == chosen


def test_empty_value_counts_as_not_set() -> None:
    assert read({"NATS_URL": "", "TIGER_MCP_LOG_LEVEL": ""}) == read({})


@pytest.mark.parametrize(
    "environment, named",
    [
        ({"TIGER_MCP_LOGLEVEL": "info"}, "TIGER_MCP_LOGLEVEL"),
        ({"TIGER_MCP_LOG_LEVEL": "loud"}, "TIGER_MCP_LOG_LEVEL"),
        ({"TIGER_MCP_SANDBOX_SEED": "one"}, "TIGER_MCP_SANDBOX_SEED"),
        ({"TIGER_MCP_SANDBOX_SEED": "-1"}, "TIGER_MCP_SANDBOX_SEED"),
        ({"TIGER_MCP_START_LIMIT_S": "0"}, "TIGER_MCP_START_LIMIT_S"),
        ({"TIGER_MCP_START_LIMIT_S": "nan"}, "TIGER_MCP_START_LIMIT_S"),
        ({"TIGER_MCP_HOME": "desk"}, "TIGER_MCP_HOME"),
        ({"TIGER_MCP_TIMEZONE": "Mars/Base"}, "TIGER_MCP_TIMEZONE"),
        ({"TIGER_MCP_TIMEZONE": "../../etc/passwd"}, "TIGER_MCP_TIMEZONE"),
        ({"NATS_URL": "http://nats", "TIGER_MCP_NATS_MONITOR": "http://n:1"}, "NATS_URL"),
        ({"NATS_URL": "nats://nats:4222"}, "TIGER_MCP_NATS_MONITOR"),
    ],
)
def test_wrong_setting_stops_the_start_and_is_named(
    environment: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        read(environment)


@pytest.mark.parametrize(
    "url",
    [
        "foo",
        "/mcp",
        "://",
        "http://",
        "http:///mcp",
        "http://[::1",
        "http://[::1/mcp",
        "http://host:port/mcp",
        "http://host:99999/mcp",
        "http://host:0/mcp",
        "https://host",
        "https://host/",
        "https://host/mcp/",
        "https://host/MCP",
        "ftp://host/mcp",
        "https://ho st/mcp",
        "https://host\n/mcp",
    ],
)
def test_address_of_the_service_that_is_none_stops_the_start(url: str) -> None:
    with pytest.raises(ConfigError, match="TIGER_MCP_HTTP_URL: expected an address like https"):
        read({"TIGER_MCP_HTTP_URL": url})


@pytest.mark.parametrize(
    "url", ["https://desk.example/mcp", "http://127.0.0.1:8765/mcp", "http://[::1]:8765/mcp"]
)
def test_address_of_the_service_is_taken(url: str) -> None:
    assert read({"TIGER_MCP_HTTP_URL": url}).http_url == url


@pytest.mark.parametrize("url", ["nats://", "nats://[::1", "nats://a:b:c", "nats://host:99999"])
def test_address_of_a_server_that_is_none_stops_the_start(url: str) -> None:
    with pytest.raises(ConfigError, match="NATS_URL: expected nats://host:port"):
        read({"NATS_URL": url, "TIGER_MCP_NATS_MONITOR": "http://n:1"})


@pytest.mark.parametrize(
    "environment, sentence",
    [
        (
            {"TIGER_MCP_LOG_LEVEL": "loud"},
            "TIGER_MCP_LOG_LEVEL: expected one of debug, info, warning, error, was 'loud'",
        ),
        (
            {"TIGER_MCP_QUESTIONS": "Ask"},
            "TIGER_MCP_QUESTIONS: expected one of ask, never, was 'Ask'",
        ),
        (
            {"TIGER_MCP_HTTP_PORT": "80a"},
            "TIGER_MCP_HTTP_PORT: expected a whole number, was '80a'",
        ),
        (
            {"TIGER_MCP_START_LIMIT_S": "soon"},
            "TIGER_MCP_START_LIMIT_S: expected a number, was 'soon'",
        ),
    ],
)
def test_wrong_setting_says_what_it_may_be_and_what_it_was(
    environment: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        read(environment)
    assert str(refused.value) == sentence


def test_keys_lie_in_the_home_unless_set_elsewhere() -> None:
    assert read({}).keys == USER_HOME / ".tiger-mcp" / "keys"
    assert read({"TIGER_MCP_NATS_KEYS": "/nowhere/k"}).keys == Path("/nowhere/k")


def test_child_does_not_see_settings_of_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIGEROPEN_TIGER_ID", "1")
    monkeypatch.setenv("TIGER_MCP_HOME", "/nowhere/other")
    settings = read({})
    environment = child_environment(settings)
    assert "TIGEROPEN_TIGER_ID" not in environment
    assert environment["TIGER_MCP_HOME"] == str(settings.home)


def test_log_is_json_on_stderr_without_local_variables(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        configure("test", "info")
        _fail_with_a_secret()
        logging.getLogger("library").warning("said %s", "something")
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
        structlog.reset_defaults()
    captured = capsys.readouterr()
    assert captured.out == ""
    first, second = captured.err.splitlines()
    assert '"event": "order.failed"' in first
    assert '"process": "test"' in first
    assert "ValueError" in first
    assert "hunter2" not in first
    assert '"event": "said something"' in second
    assert '"level": "warning"' in second


def _fail_with_a_secret() -> None:
    token = "hunter2"
    try:
        raise ValueError("expected a number")
    except ValueError:
        structlog.get_logger().exception("order.failed", length=len(token))


@pytest.mark.parametrize(
    ("environment", "zone"),
    [
        ({}, None),
        ({"TZ": "Asia/Hong_Kong"}, "Asia/Hong_Kong"),
        ({"TZ": ":Asia/Hong_Kong"}, "Asia/Hong_Kong"),
        ({"TZ": "Asia/Hong_Kong", "TIGER_MCP_TIMEZONE": "Europe/Berlin"}, "Europe/Berlin"),
        # Forms of POSIX that name no zone, and what is none.
        ({"TZ": "CET-1CEST,M3.5.0,M10.5.0/3"}, None),
        ({"TZ": "/etc/localtime"}, None),
        ({"TZ": "Mars/Base"}, None),
        ({"TZ": ""}, None),
    ],
)
def test_the_zone_of_the_environment_counts_where_none_is_set(
    environment: dict[str, str], zone: str | None
) -> None:
    found = settings_from(environment, home=None, user_home=Path("/home/ann"))
    assert found.timezone == zone
