"""The facts beside the story: each as it is stored, heard as any subscriber would hear it."""

import asyncio
from collections.abc import Callable

import msgspec
from rich.console import Console
from rich.markup import escape

from core import codec
from core.codec import Recorded
from core.errors import CorruptRecordError
from core.ports import EventMessage

_COLOURS = {"order": "green", "account": "blue", "command": "red"}
_SHOWN = (
    "order_id",
    "side",
    "quantity",
    "price",
    "filled_quantity",
    "order_number",
    "tiger_order_id",
    "cause",
    "code",
)


class FactTail:
    """Collects and prints facts; `until` waits for what one of them says."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._news = asyncio.Event()
        self.facts: list[Recorded] = []

    def hear(self, message: EventMessage) -> None:
        """Print one fact."""
        try:
            recorded = codec.decode(message.subject, message.body, sequence=message.sequence)
        except CorruptRecordError as error:
            self._console.print(f"[red]unreadable fact: {escape(str(error))}[/]")
            return
        self.facts.append(recorded)
        self._news.set()
        colour = _COLOURS.get(recorded.type.split(".")[0], "white")
        moment = recorded.recorded_at.strftime("%H:%M:%S.%f")[:-3]
        self._console.print(
            f"  [dim]{moment}[/] [{colour}]{recorded.type:<26}[/] "
            f"[dim]{recorded.account} n={recorded.n} seq={recorded.sequence}[/] "
            f"{escape(_summary(recorded))}",
            highlight=False,
        )

    async def until(self, happened: Callable[[Recorded], bool], *, wait_s: float) -> None:
        """Wait until a fact, past or coming, is the one looked for.

        Raises:
            TimeoutError: it did not happen in time.
        """
        async with asyncio.timeout(wait_s):
            while not any(happened(recorded) for recorded in self.facts):
                self._news.clear()
                await self._news.wait()


def _summary(recorded: Recorded) -> str:
    fields = msgspec.to_builtins(recorded.data)
    fields |= fields.pop("spec", None) or {}
    if isinstance(fields.get("price"), dict):
        fields["price"] = fields["price"]["amount"]
    return " ".join(
        f"{name}={str(fields[name])[:20]}" for name in _SHOWN if fields.get(name) not in (None, "")
    )
