"""Answers to `ask.<account>.<what>`: live readings of the broker, and whether this is there."""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
import structlog

from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.login_refusals import LoginRefusedError
from adapters.tiger_worker.market_assets import Assets
from adapters.tiger_worker.market_depth import Depth
from adapters.tiger_worker.market_figures import Figures
from adapters.tiger_worker.market_history import History
from adapters.tiger_worker.market_hours import Hours
from adapters.tiger_worker.market_listings import Listings
from adapters.tiger_worker.market_lookup import Lookup
from adapters.tiger_worker.market_options import OptionChains
from adapters.tiger_worker.market_positions import Positions
from adapters.tiger_worker.market_quotes import Quotes
from adapters.tiger_worker.market_reads import MarketReads, MarketRefusalError
from adapters.tiger_worker.market_scan import Scanner
from adapters.tiger_worker.rates import RateBudget
from core import market_asks
from core.asks import HEALTH, AskFault, AskReply, Health
from core.market_asks import Question

log = structlog.get_logger()
Q = TypeVar("Q", bound=Question | Health)
_encoder: Final = msgspec.json.Encoder()


class Asks:
    """Answers one account's questions; `answer` blocks and may run in several threads."""

    def __init__(self, broker: AccountBroker, *, budget: RateBudget) -> None:
        reads = MarketReads(broker, budget=budget)
        listings = Listings(reads)
        self._answers: dict[str, Callable[[bytes], msgspec.Struct]] = {
            "assets": _decoding(market_asks.AssetsAsk, Assets(reads).answer),
            "positions": _decoding(market_asks.PositionsAsk, Positions(reads).answer),
            "quotes": _decoding(market_asks.QuotesAsk, Quotes(reads, listings).answer),
            "bars": _decoding(market_asks.BarsAsk, History(reads, listings).answer),
            "depth": _decoding(market_asks.DepthAsk, Depth(reads, listings).answer),
            "option_chain": _decoding(
                market_asks.OptionChainAsk, OptionChains(reads, listings).answer
            ),
            "contracts": _decoding(market_asks.ContractsAsk, Lookup(reads, listings).answer),
            "market_status": _decoding(market_asks.MarketStatusAsk, Hours(reads, listings).answer),
            "fundamentals": _decoding(market_asks.FundamentalsAsk, Figures(reads, listings).answer),
            "scan": _decoding(market_asks.ScanAsk, Scanner(reads).answer),
            HEALTH: _decoding(Health, lambda asked: asked),
        }

    def answer(self, what: str, body: bytes) -> bytes:
        """Return the encoded reply to one question; a failure is a reply too."""
        answer = self._answers.get(what)
        if answer is None:
            return _fault("invalid_argument", "there is no such question", field="what")
        try:
            return _encoder.encode(AskReply(data=msgspec.Raw(_encoder.encode(answer(body)))))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _fault("invalid_argument", "the question does not decode", field="body")
        except MarketRefusalError as error:
            return _fault(error.code, str(error), field=error.field)
        except LoginRefusedError as error:
            log.warning("ask.login_refused", what=what, reason=str(error))
            return _fault(
                "broker_unavailable",
                f"the broker refuses this login, which a person must mend: {error}",
            )
        except Exception as error:  # noqa: BLE001 - on a broker lane, unforeseen means failed
            log.warning("ask.failed", what=what, reason=repr(error))
            return _fault("broker_unavailable", "the broker did not answer; try again shortly")


def _decoding(
    kind: type[Q], answer: Callable[[Q], msgspec.Struct]
) -> Callable[[bytes], msgspec.Struct]:
    decoder = msgspec.json.Decoder(kind)
    return lambda body: answer(decoder.decode(body))


def _fault(code: str, message: str, *, field: str = "") -> bytes:
    return _encoder.encode(AskReply(fault=AskFault(code=code, message=message, field=field)))
