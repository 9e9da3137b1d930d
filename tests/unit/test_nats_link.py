"""A connection that cannot be made: which file or address is to be mended, and no other error."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import nkeys
import pytest

from core.errors import ConfigError, LinkError
from infra.nats.link import LinkSettings, connect

# Nobody listens there.
NOBODY: Final = "nats://127.0.0.1:1"
SEED: Final = nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER)
DAMAGES: Final[dict[str, Callable[[Path], object]]] = {
    "missing": lambda path: path,
    "a folder": lambda path: path.mkdir(),
    "empty": lambda path: path.write_bytes(b""),
    "of other letters": lambda path: path.write_bytes(b"\xff\xfe\x00" * 20),
    "cut": lambda path: path.write_bytes(SEED[:30]),
    "no seed": lambda path: path.write_bytes(b"A" * 58),
}


def try_to_connect(seed: Path, url: str = NOBODY) -> None:
    settings = LinkSettings(
        url=url,
        role="operator",
        seed_path=seed,
        inbox_prefix="_INBOX.test",
        name="test",
        connect_limit_s=0.2,
    )
    asyncio.run(connect(settings, on_error=lambda _: None, on_closed=lambda: None))


@pytest.mark.parametrize("damage", DAMAGES)
def test_seed_that_is_missing_or_damaged_is_named_with_its_mend(
    tmp_path: Path, damage: str
) -> None:
    seed = tmp_path / "operator.seed"
    DAMAGES[damage](seed)
    with pytest.raises(ConfigError) as raised:
        try_to_connect(seed)
    assert str(seed) in str(raised.value)
    assert "TIGER_MCP_NATS_KEYS" in str(raised.value)
    assert "`tiger-mcp up`" in str(raised.value)


@pytest.mark.parametrize(
    "url", [NOBODY, "nats://[::1", "nats://", "nats://a:b:c", "nats://127.0.0.1:99999"]
)
def test_address_where_nobody_is_or_that_is_none_is_a_link_error(tmp_path: Path, url: str) -> None:
    seed = tmp_path / "operator.seed"
    seed.write_bytes(SEED)
    with pytest.raises(LinkError) as raised:
        try_to_connect(seed, url)
    assert url in str(raised.value)


def test_password_of_an_address_is_not_told(tmp_path: Path) -> None:
    seed = tmp_path / "operator.seed"
    seed.write_bytes(SEED)
    with pytest.raises(LinkError) as raised:
        try_to_connect(seed, "nats://ann:hidden@127.0.0.1:1")
    assert "hidden" not in str(raised.value)
    assert "127.0.0.1:1" in str(raised.value)
