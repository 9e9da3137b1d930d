"""What the broker says of contracts, kept for a while: it changes by the day, not by the minute."""

import threading
from collections.abc import Sequence
from typing import Final

import msgspec

from adapters.tiger_worker.broker import AccountBroker
from core.items import ContractFacts
from core.ports import Clock
from core.terms import ContractRef, SecurityType

KEEP_S: Final = 600.0
CONTRACTS_MAX: Final = 5_000


class ContractBook:
    """A login's contracts; an unknown symbol is not kept, so a new listing is found at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, ContractFacts]] = {}
        self._lock = threading.Lock()

    def find(self, broker: AccountBroker, ref: ContractRef) -> ContractFacts | None:
        """Return one contract, or None if the broker knows none of these terms.

        Raises:
            BrokerUnavailableError: the broker did not answer.
        """
        if ref.security is SecurityType.STOCK:
            return self.find_all(broker, [ref.symbol]).get(ref.symbol)
        now, key = self._clock.boot_s(), msgspec.json.encode(ref).decode()
        with self._lock:
            known = self._known.get(key)
        if known is not None and now - known[0] < KEEP_S:
            return known[1]
        contract = broker.contract(ref)
        if contract is not None:
            self._keep({key: contract}, now)
        return contract

    def find_all(self, broker: AccountBroker, symbols: Sequence[str]) -> dict[str, ContractFacts]:
        """Return the stocks of those symbols that the broker knows.

        Raises:
            BrokerUnavailableError: the broker did not answer.
        """
        now = self._clock.boot_s()
        with self._lock:
            found = {
                symbol: known[1]
                for symbol in symbols
                if (known := self._known.get(symbol)) is not None and now - known[0] < KEEP_S
            }
        missing = [symbol for symbol in symbols if symbol not in found]
        if missing:
            fresh = {contract.symbol: contract for contract in broker.contracts(missing)}
            self._keep(fresh, now)
            found.update((s, fresh[s]) for s in missing if s in fresh)
        return found

    def _keep(self, fresh: dict[str, ContractFacts], now: float) -> None:
        with self._lock:
            if len(self._known) + len(fresh) > CONTRACTS_MAX:
                self._known.clear()
            self._known.update((key, (now, contract)) for key, contract in fresh.items())
