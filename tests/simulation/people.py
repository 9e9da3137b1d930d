"""Those outside: a gateway that asks and repeats, a person with controls, the phone app."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Final

import msgspec

from core import events, preview_events
from core.codec import Recorded
from core.commands import (
    AdoptPosition,
    CancelOrder,
    CancelOrders,
    Command,
    Envelope,
    HaltAccount,
    HaltTrading,
    ModifyOrder,
    PreviewOrder,
    ReleaseOrder,
    ResumeAccount,
    Sealed,
    SubmitOrder,
    TermsSeen,
    cancel_command_id,
    signed_bytes,
    submit_command_id,
)
from core.subjects import COMMANDS_STREAM, CONTROL_STREAM, Kind, subject
from core.terms import Side
from tests.simulation.asked import Asked
from tests.simulation.machine import BEGIN
from tests.simulation.queue_twin import QueueTwin
from tests.simulation.scheduler import Scheduler
from tests.simulation.weather import Weather
from tests.simulation.worker_process import signature_of

NAMES: Final[dict[type[Any], str]] = {
    PreviewOrder: "order.preview",
    SubmitOrder: "order.submit",
    CancelOrder: "order.cancel",
    ModifyOrder: "order.modify",
    CancelOrders: "order.cancel_many",
    HaltTrading: "trading.halt",
    HaltAccount: "account.halt",
    ResumeAccount: "account.resume",
    ReleaseOrder: "order.release",
    AdoptPosition: "position.adopt",
}
CONTROLS: Final = (HaltAccount, ResumeAccount, ReleaseOrder, AdoptPosition)
LIFE_S: Final = 60.0
CONTROL_LIFE_S: Final = 3600.0
# How long a caller waits for the fact that answers, before it looks into the views.
LOOK_S: Final = 4.0


def seal(
    account: str, command: Command, *, command_id: str, now_s: float, life_s: float = LIFE_S
) -> tuple[str, str, bytes]:
    """Return stream, subject and message of a signed command."""
    is_control = isinstance(command, CONTROLS)
    kind = Kind.CONTROL if is_control else Kind.COMMAND
    now = BEGIN + timedelta(seconds=now_s)
    envelope = msgspec.json.encode(
        Envelope(
            command_id=command_id,
            correlation_id=command_id,
            principal="somebody",
            issued_at=now,
            expires_at=now + timedelta(seconds=life_s),
            body=msgspec.Raw(msgspec.json.encode(command)),
        )
    )
    where = subject(kind, account, NAMES[type(command)])
    sealed = Sealed(
        key_id=str(kind),
        signature=signature_of(str(kind), signed_bytes(where, envelope)),
        envelope=msgspec.Raw(envelope),
    )
    stream = CONTROL_STREAM if is_control else COMMANDS_STREAM
    return stream, where, msgspec.json.encode(sealed)


@dataclass
class Wish:
    """One order that somebody wants, and how insistently."""

    number: int
    account: str
    terms: PreviewOrder
    submits: int
    cancels: bool
    modifies: int = 0
    preview_id: str = ""
    order_ids: set[str] = field(default_factory=set)


class Gateway:
    """Previews, submits what was shown, says it again and again, and cancels some of it."""

    def __init__(
        self,
        scheduler: Scheduler,
        queue: QueueTwin,
        weather: Weather,
        asked: Asked,
        note: Callable[[str], None],
    ) -> None:
        self._asked = asked
        self._scheduler = scheduler
        self._queue = queue
        self._weather = weather
        self._note = note
        self._rng: Random = scheduler.rng
        self.wishes: dict[str, Wish] = {}
        self.published: list[tuple[str, str]] = []
        # New prices near the market for an order of ours, by field.
        self.prices_of: Callable[[str], dict[str, str]] = lambda _: {}
        # The terms of an order of ours, on which a change is agreed to by this command.
        self.terms_of: Callable[[str, str], TermsSeen | None] = lambda *_: None

    def want(self, wish: Wish) -> None:
        """Begin with a preview."""
        command_id = f"cmd-preview-{wish.number}"
        self.wishes[command_id] = wish
        terms = wish.terms
        what = f"{terms.side} {terms.quantity} {terms.symbol} {terms.order_type}"
        self._note(f"gateway wants #{wish.number}: {what} {_prices_told(terms)}")
        self.send(wish.account, terms, command_id=command_id)

    def send(
        self, account: str, command: Command, *, command_id: str, message_id: str = ""
    ) -> None:
        """Publish a command, again until it is stored for sure."""
        now_s = self._scheduler.now_s
        stream, where, body = self._seal(account, command, command_id, now_s)
        stored = self._queue.publish(
            stream,
            where,
            body,
            message_id=message_id or f"{account}/{command_id}",
            command_id=command_id,
        )
        if (account, command_id) not in self.published:
            self.published.append((account, command_id))
        if stored is None:
            self._scheduler.after(
                2.0,
                lambda: self.send(account, command, command_id=command_id, message_id=message_id),
            )
            return
        if self._rng.random() < self._weather.publish_doubled:
            # Another client, or one that lost its memory: the same command, as a new message.
            self._scheduler.after(
                self._rng.random() * 20,
                lambda: self._again(account, command, command_id),
            )

    def spoil(self, account: str) -> None:
        """Send what nobody can read."""
        body = self._rng.choice((b"", b"{", b'{"key_id":"x"}', b"\xff\xfe"))
        where = subject(Kind.COMMAND, account, "order.submit")
        self._queue.publish(
            COMMANDS_STREAM,
            where,
            body,
            message_id=f"garbage{self._rng.random()}",
            command_id="",
        )

    def hear(self, account: str, recorded: Recorded) -> None:
        """Take a republished fact, or what a look into the views shows."""
        event = recorded.data
        if isinstance(event, preview_events.OrderPreviewed):
            wish = self.wishes.get(event.command_id)
            if wish is not None and not wish.preview_id:
                wish.preview_id = event.preview_id
                self._submit(wish)
        elif isinstance(event, events.OrderSubmissionStarted):
            for wish in self.wishes.values():
                if wish.preview_id == event.preview_id and event.order_id not in wish.order_ids:
                    wish.order_ids.add(event.order_id)
                    if wish.cancels:
                        self._cancel_later(account, event.order_id, attempts=2)
                    for attempt in range(wish.modifies):
                        self._modify_later(account, event.order_id, attempt)

    def _again(self, account: str, command: Command, command_id: str) -> None:
        stream, where, body = self._seal(account, command, command_id, self._scheduler.now_s)
        message_id = f"again{self._rng.random()}"
        self._queue.publish(stream, where, body, message_id=message_id, command_id=command_id)

    def _seal(
        self, account: str, command: Command, command_id: str, now_s: float
    ) -> tuple[str, str, bytes]:
        until = BEGIN + timedelta(seconds=now_s + LIFE_S)
        self._asked.note(account, command_id, command, until=until)
        return seal(account, command, command_id=command_id, now_s=now_s)

    def _submit(self, wish: Wish) -> None:
        command = SubmitOrder(preview_id=wish.preview_id)
        command_id = submit_command_id(wish.account, wish.preview_id)
        delay_s = 0.0
        for attempt in range(wish.submits):
            delay_s += self._rng.random() * (0.5 if attempt == 0 else 15)
            message_id = "" if self._rng.random() < 0.5 else f"client{attempt}/{command_id}"
            self._scheduler.after(
                delay_s,
                lambda message_id=message_id: self.send(  # type: ignore[misc]  # bound early
                    wish.account, command, command_id=command_id, message_id=message_id
                ),
            )

    def _cancel_later(self, account: str, order_id: str, *, attempts: int) -> None:
        for attempt in range(attempts):
            command_id = cancel_command_id(account, order_id, str(attempt))
            self._scheduler.after(
                self._rng.random() * 30,
                lambda command_id=command_id: self.send(  # type: ignore[misc]  # bound early
                    account, CancelOrder(order_id=order_id), command_id=command_id
                ),
            )

    def _modify_later(self, account: str, order_id: str, attempt: int) -> None:
        delay_s = self._rng.random() * 25
        self._scheduler.after(delay_s, lambda: self.modify(account, order_id, attempt))

    def modify(self, account: str, order_id: str, attempt: int) -> None:
        """Change the size, or the prices by some ticks, or both."""
        quantity = str(self._rng.randrange(1, 12) * 10) if self._rng.random() < 0.7 else None
        is_priced = quantity is None or self._rng.random() < 0.5
        prices = self.prices_of(order_id) if is_priced else {}
        if quantity is None and not prices:
            return
        command_id = f"cmd-modify-{attempt}-{order_id}"
        is_blind = self._rng.random() < 0.3
        command = ModifyOrder(
            order_id=order_id,
            quantity=quantity,
            limit_price=prices.get("limit_price"),
            stop_price=prices.get("stop_price"),
            trailing_percent=prices.get("trailing_percent"),
            reason="simulated",
            seen=None if is_blind else self.terms_of(order_id, command_id),
        )
        self._note(f"gateway changes {order_id}: {quantity} at {prices}")
        self.send(account, command, command_id=command_id)

    def cancel_many(
        self, account: str, number: int, *, symbol: str | None, side: Side | None
    ) -> None:
        """Ask for every open order of an account that fits to be cancelled."""
        command = CancelOrders(symbol=symbol, side=side)
        self.send(account, command, command_id=f"cmd-cancel-many-{number}")


class Person:
    """Somebody with the rights of an operator."""

    def __init__(
        self, scheduler: Scheduler, queue: QueueTwin, asked: Asked, note: Callable[[str], None]
    ) -> None:
        self._asked = asked
        self._scheduler = scheduler
        self._queue = queue
        self._note = note
        self._count = 0

    def control(self, account: str, command: Command) -> str:
        """Send a control, again until it is stored for sure; returns its id."""
        self._count += 1
        command_id = f"cmd-person-{self._count}"
        self._note(f"person: {command}")
        until = BEGIN + timedelta(seconds=self._scheduler.now_s + CONTROL_LIFE_S)
        self._asked.note(account, command_id, command, until=until)
        self._send(account, command, command_id)
        return command_id

    def _send(self, account: str, command: Command, command_id: str) -> None:
        now_s = self._scheduler.now_s
        stream, where, body = seal(
            account, command, command_id=command_id, now_s=now_s, life_s=CONTROL_LIFE_S
        )
        message_id = f"{account}/{command_id}"
        stored = self._queue.publish(
            stream, where, body, message_id=message_id, command_id=command_id
        )
        if stored is None:
            self._scheduler.after(2.0, lambda: self._send(account, command, command_id))


def _prices_told(terms: PreviewOrder) -> str:
    prices = (terms.limit_price, terms.stop_price, terms.trailing_percent)
    hung = (terms.take_profit_price, terms.stop_loss, terms.or_stop)
    return " ".join(str(value) for value in (*prices, *hung) if value is not None)
