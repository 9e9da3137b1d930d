"""From a message to an item; whatever cannot be read becomes an item too, and stops nothing."""

import hashlib
from datetime import timedelta
from typing import Any, cast

import msgspec
import pytest

from adapters.tiger_worker.desk_thread import Turn
from adapters.tiger_worker.guard import HaltLatch
from adapters.tiger_worker.intake import Intake
from core.commands import (
    MESSAGE_BYTES_MAX,
    CancelOrder,
    Command,
    Envelope,
    HaltAccount,
    HaltTrading,
    ResumeAccount,
    Sealed,
    parse_body,
    signed_bytes,
)
from core.errors import CommandError
from core.items import CommandItem, Unreadable
from core.ports import CommandMessage
from core.refusals import Refusal
from core.subjects import Kind
from tests.support import core_facts as facts
from tests.support.worker_parts import DeskRig, ListeningDesk, Message, Trace

CANCEL = f"cmd.{facts.ACCOUNT}.order.cancel"
HALT = f"ctl.{facts.ACCOUNT}.account.halt"


class Keys:
    """Takes a signature that names its key and what it covers."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def is_valid(self, key_id: str, message: bytes, signature: str) -> bool:
        return key_id in self._names and signature == f"{key_id}:{_digest(message)}"


class IntakeRig:
    def __init__(self) -> None:
        self.desk = ListeningDesk(DeskRig())
        self.latch = HaltLatch()
        self.trace = Trace()
        self.intake = Intake(
            facts.ACCOUNT,
            desk=self.desk,
            verifiers={Kind.COMMAND: Keys("gateway"), Kind.CONTROL: Keys("ann")},
            latch=self.latch,
        )

    def take(self, where: str, body: bytes) -> tuple[Turn, Any]:
        """Take one message, and return its turn and its work."""
        message = CommandMessage(where, body, "COMMANDS", 7)
        self.intake.take(Message(self.trace, "m", message))
        (posted,) = self.desk.posted
        return posted


def _digest(message: bytes) -> str:
    return hashlib.sha256(message).hexdigest()


def envelope(body: object, **changes: Any) -> bytes:
    fields = {
        "command_id": "cmd-1",
        "correlation_id": "cor-1",
        "principal": "claude",
        "issued_at": facts.NOW,
        "expires_at": facts.NOW + timedelta(seconds=30),
        "body": msgspec.Raw(msgspec.json.encode(body)),
    }
    return msgspec.json.encode(Envelope(**{**fields, **changes}))


def sealed(where: str, content: bytes, *, key: str = "gateway") -> bytes:
    signature = f"{key}:{_digest(signed_bytes(where, content))}"
    return msgspec.json.encode(
        Sealed(key_id=key, signature=signature, envelope=msgspec.Raw(content))
    )


def test_good_command_comes_in_its_turn_with_who_asked() -> None:
    rig = IntakeRig()
    asked = envelope(CancelOrder(order_id="ord-1"), owner="own-1")
    turn, work = rig.take(CANCEL, sealed(CANCEL, asked))
    assert turn is Turn.COMMAND
    assert work.item == CommandItem(
        command=CancelOrder(order_id="ord-1"),
        command_id="cmd-1",
        principal="claude",
        expires_at=facts.NOW + timedelta(seconds=30),
        owner="own-1",
        issued_at=facts.NOW,
    )
    assert (work.correlation_id, work.actor) == ("cor-1", "model:claude")
    assert rig.trace == []


@pytest.mark.parametrize("symbol", ["", "AAPL"])
def test_halt_holds_sends_back_before_the_desk_has_it_and_goes_first(symbol: str) -> None:
    rig = IntakeRig()
    halt = HaltAccount(symbol=symbol, detail="stop")
    turn, work = rig.take(HALT, sealed(HALT, envelope(halt, principal="ann"), key="ann"))
    assert turn is Turn.CONTROL
    assert work.actor == "person:ann"
    assert rig.latch.holds("AAPL")
    assert rig.latch.holds("MSFT") is (symbol == "")


@pytest.mark.parametrize("symbol", ["", "AAPL"])
def test_a_models_halt_holds_sends_back_as_early_as_a_persons(symbol: str) -> None:
    rig = IntakeRig()
    where = f"cmd.{facts.ACCOUNT}.trading.halt"
    halt = HaltTrading(symbol=symbol, reason="stop")
    turn, work = rig.take(where, sealed(where, envelope(halt)))
    assert turn is Turn.CONTROL
    assert work.actor == "model:claude"
    assert rig.latch.holds("AAPL")
    assert rig.latch.holds("MSFT") is (symbol == "")


def test_resume_lifts_nothing_before_it_is_stored() -> None:
    rig = IntakeRig()
    rig.latch.set("")
    where = f"ctl.{facts.ACCOUNT}.account.resume"
    rig.take(where, sealed(where, envelope(ResumeAccount(symbol="", shown_n=1)), key="ann"))
    assert rig.latch.holds("AAPL")


def test_body_that_is_nested_without_end_is_no_json() -> None:
    class Loose(msgspec.Struct, frozen=True, kw_only=True):
        order_id: Any

    classes = cast(dict[str, type[Command]], {"order.loose": Loose})
    with pytest.raises(CommandError) as raised:
        parse_body(classes, "order.loose", b'{"order_id":' + DEEP + b"}")
    assert raised.value.field == "body"


GOOD = envelope(CancelOrder(order_id="ord-1"))


def _on(where: str, content: bytes = GOOD, *, key: str = "gateway") -> tuple[str, bytes]:
    return where, sealed(where, content, key=key)


# Far deeper than the decoder goes, and not too long.
DEEP = b"[" * 10_000 + b"]" * 10_000
DEEP_BODY = GOOD.replace(b'"ord-1"', DEEP)
UNREADABLE: dict[str, tuple[str, bytes]] = {
    "too long": (CANCEL, b" " * (MESSAGE_BYTES_MAX + 1)),
    "empty": (CANCEL, b""),
    "no json": (CANCEL, b"{"),
    "another document": (CANCEL, b"[1]"),
    "no utf-8": (CANCEL, b'{"key_id":"\xff","signature":"","envelope":{}}'),
    "a surrogate alone": (CANCEL, b'{"key_id":"\\ud800","signature":"","envelope":{}}'),
    "an unknown field": (CANCEL, b'{"key_id":"","signature":"","envelope":{},"more":1}'),
    "no envelope": (CANCEL, b'{"key_id":"gateway","signature":""}'),
    "nested without end": (CANCEL, b'{"key_id":"","signature":"","envelope":' + DEEP + b"}"),
    "nested without end in its body": _on(CANCEL, DEEP_BODY),
    "an envelope of another shape": (CANCEL, sealed(CANCEL, b'{"command_id":"x"}')),
    "a wildcard": _on(f"cmd.{facts.ACCOUNT}.*.cancel"),
    "a wildcard for the rest": _on(f"cmd.{facts.ACCOUNT}.>"),
    "an empty token": _on(f"cmd.{facts.ACCOUNT}..cancel"),
    "an unknown kind": _on(f"xyz.{facts.ACCOUNT}.order.cancel"),
    "a kind that carries no command": _on(f"evt.{facts.ACCOUNT}.order.cancel"),
    "no words": _on("cmd"),
    "another account": _on("cmd.other.order.cancel"),
    "an unknown name": _on(f"cmd.{facts.ACCOUNT}.order.destroy"),
    "a control's name on the models' subject": _on(f"cmd.{facts.ACCOUNT}.trading.halt"),
    "a command's name on the persons' subject": _on(f"ctl.{facts.ACCOUNT}.order.cancel", key="ann"),
    "a field that is not there": _on(CANCEL, envelope({})),
    "a field too many": _on(CANCEL, envelope({"order_id": "x", "more": 1})),
    "a field of another type": _on(CANCEL, envelope({"order_id": 7})),
    "a symbol in lower case": _on(HALT, envelope({"symbol": "aapl", "detail": ""}), key="ann"),
    "a moment without a zone": _on(
        CANCEL, GOOD.replace(b"2026-03-02T15:00:00Z", b"2026-03-02T15:00:00")
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_becomes_an_item_with_its_digest(case: str) -> None:
    where, body = UNREADABLE[case]
    rig = IntakeRig()
    turn, work = rig.take(where, body)
    assert turn is Turn.COMMAND
    assert work.item == Unreadable(
        code=Refusal.COMMAND_UNREADABLE,
        subject=where,
        stream="COMMANDS",
        sequence=7,
        body_digest=hashlib.sha256(body).hexdigest(),
        detail=work.item.detail,
    )
    assert 0 < len(work.item.detail) <= 200
    assert work.delivery is not None
    assert not rig.latch.holds("AAPL")


WRONGLY_SIGNED: dict[str, tuple[str, bytes]] = {
    "of an unknown key": (CANCEL, sealed(CANCEL, GOOD, key="mallory")),
    "of the gateway on a person's subject": (
        HALT,
        sealed(HALT, envelope(HaltAccount(symbol="", detail="")), key="gateway"),
    ),
    "of a person on the gateway's subject": (CANCEL, sealed(CANCEL, GOOD, key="ann")),
    "made for another subject": (CANCEL, sealed(f"cmd.{facts.ACCOUNT}.order.submit", GOOD)),
    "made for another account": (CANCEL, sealed("cmd.other.order.cancel", GOOD)),
    "of other bytes": (CANCEL, sealed(CANCEL, GOOD).replace(b"ord-1", b"ord-2")),
    "of nothing": (
        CANCEL,
        msgspec.json.encode(Sealed(key_id="gateway", signature="", envelope=msgspec.Raw(GOOD))),
    ),
}


@pytest.mark.parametrize("case", WRONGLY_SIGNED)
def test_signature_that_does_not_hold_is_told_apart(case: str) -> None:
    rig = IntakeRig()
    _, work = rig.take(*WRONGLY_SIGNED[case])
    assert work.item.code is Refusal.SIGNATURE_INVALID
    assert not rig.latch.holds("AAPL")
