"""Answers to `ask.<account>.<what>`: live readings of the broker, on the reads' lane."""

import re
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.contracts import ContractBook
from adapters.tiger_worker.rates import RateBudget
from core.asks import SYMBOLS_MAX, AskFault, AskReply, QuotesAnswer, QuotesAsk
from core.commands import SYMBOL_PATTERN
from core.errors import BrokerError

log = structlog.get_logger()
TOKEN_WAIT_S: Final = 2.0
_SYMBOL: Final = re.compile(SYMBOL_PATTERN)


class Asks:
    """Answers one account's questions; `answer` blocks and may run in several threads."""

    def __init__(
        self, broker: AccountBroker, *, contracts: ContractBook, budget: RateBudget
    ) -> None:
        self._broker = broker
        self._contracts = contracts
        self._budget = budget
        self._answers: dict[str, Callable[[bytes], object]] = {"quotes": self._quotes}

    def answer(self, what: str, body: bytes) -> bytes:
        """Return the encoded reply to one question; a failure is a reply too."""
        answer = self._answers.get(what)
        if answer is None:
            return _fault("invalid_argument", "there is no such question", field="what")
        try:
            return msgspec.json.encode(
                AskReply(data=msgspec.Raw(msgspec.json.encode(answer(body))))
            )
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _fault("invalid_argument", "the question does not decode", field="body")
        except _QuestionError as error:
            return _fault("invalid_argument", str(error), field=error.field)
        except Exception as error:  # noqa: BLE001 - on a broker lane, unforeseen means failed
            log.warning("ask.failed", what=what, reason=repr(error))
            return _fault("broker_unavailable", "the broker did not answer; try again shortly")

    def _quotes(self, body: bytes) -> QuotesAnswer:
        asked = msgspec.json.decode(body, type=QuotesAsk)
        symbols = tuple(dict.fromkeys(asked.symbols))
        if not 0 < len(symbols) <= SYMBOLS_MAX:
            raise _QuestionError(f"expected 1 to {SYMBOLS_MAX} symbols", field="symbols")
        if any(_SYMBOL.fullmatch(symbol) is None for symbol in symbols):
            raise _QuestionError("expected symbols such as AAPL or 00700", field="symbols")
        for method in ("contracts", "quote_real_time"):
            if not self._budget.take(method, wait_s=TOKEN_WAIT_S):
                raise BrokerError(f"the rate budget of {method} is used up")
        known = self._contracts.find_all(self._broker, symbols)
        quotes = self._broker.quotes(tuple(known.values()))
        answered = {quote.symbol for quote in quotes}
        return QuotesAnswer(quotes=quotes, unknown=tuple(s for s in symbols if s not in answered))


class _QuestionError(Exception):
    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


def _fault(code: str, message: str, *, field: str = "") -> bytes:
    return msgspec.json.encode(AskReply(fault=AskFault(code=code, message=message, field=field)))
