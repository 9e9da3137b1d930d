"""A home whose list of accounts is gone: what it served stays bound, so none is made over it."""

from pathlib import Path

import pytest

from core.errors import ConfigError
from infra.cli.account_changes import changing
from infra.doctor.broker import check_broker
from infra.doctor.credentials import check_credentials
from infra.doctor.files import check_installation, check_keys
from infra.doctor.finding import Verdict
from infra.doctor.room import Room
from infra.nats.keys import create_missing
from infra.nats.layout import NatsHome
from infra.supervisor.installation import load_or_make, topology_of
from tests.support.doctor import READING, room_of


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = room_of(tmp_path / "home")
    installation = load_or_make(room.home)
    NatsHome(room.settings.home).make_folders()
    create_missing(NatsHome(room.settings.home), topology_of(installation))
    return room


def serve_with_a_ledger(room: Room) -> None:
    store = NatsHome(room.settings.home).store_dir
    (store / "jetstream" / "CORE" / "streams" / "LEDGER_alpha" / "msgs").mkdir(parents=True)


def serve_with_a_foreign_server(room: Room) -> None:
    room.home.halt.mkdir()
    (room.home.halt / "sandbox.bound").write_text("tm0000000001:abcd")


@pytest.mark.parametrize("serve", [serve_with_a_ledger, serve_with_a_foreign_server])
def test_list_that_is_gone_is_never_made_anew_over_a_used_home(room: Room, serve: object) -> None:
    assert callable(serve)
    serve(room)
    file = room.home.installation_file
    kept = file.read_bytes()
    file.unlink()
    with pytest.raises(ConfigError, match="put it back from a copy"):
        load_or_make(room.home)
    with pytest.raises(ConfigError, match="put it back from a copy"), changing(room.settings):
        pass
    assert not file.exists()
    (found,) = check_installation(room)
    assert found.verdict is Verdict.FAILED
    assert str(file) in found.seen + found.mend
    assert "copy" in found.mend
    assert "--home" in found.mend
    others = [*check_keys(room), *check_credentials(room, READING), *check_broker(room, READING)]
    assert {each.verdict for each in others} == {Verdict.NOT_CHECKED}
    assert all("see accounts" in each.seen for each in others)
    file.write_bytes(kept)
    assert load_or_make(room.home) == room.home.load()


def test_start_that_was_cut_off_before_an_account_was_served_goes_on(room: Room) -> None:
    # Folders, keys, the sandbox's logins and an empty store: all that can be there by then.
    (NatsHome(room.settings.home).store_dir / "jetstream" / "CORE" / "streams").mkdir(parents=True)
    room.home.halt.mkdir()
    room.home.halt_file("sandbox").touch()
    room.home.installation_file.unlink()
    (found,) = check_installation(room)
    assert (found.verdict, found.mend) == (Verdict.NOT_CHECKED, "tiger-mcp up")
    assert load_or_make(room.home) == room.home.load()
