"""A halt of a symbol beside one of the account: which is new, and for whose orders."""

from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core import account_events, events, items
from core.account_state import AccountState
from core.cancelling import must_cancel_unread, must_not_rest
from core.commands import HaltTrading
from core.halting import wants_strangers_cancelled
from core.readings import SeenPhase
from projections.entries import AccountEntry
from projections.fold import changed_order_id, fold
from tests.support import core_facts as facts
from tests.support import core_items

_SYMBOLS: Final = ("AAPL", "MSFT")
_SCOPES: Final = ("", *_SYMBOLS)
_UNREAD: Final = "unread-9"


def model_halts(symbol: str, command_id: str = "cmd-model") -> items.CommandItem:
    return core_items.command(HaltTrading(symbol=symbol, reason="because"), command_id)


def verify(desk: facts.TestDesk, *open_symbols: str) -> list[events.Event]:
    return desk.settle(core_items.round_of_open(*open_symbols, after_n=len(desk.line)))


def halted(scope: str, *, is_verified: bool = True) -> facts.TestDesk:
    desk = facts.TestDesk(*facts.ready())
    desk.when(core_items.halt(scope))
    if is_verified:
        verify(desk)
    assert (scope in desk.state.unverified_halts) is not is_verified
    return desk


def by_phone(desk: facts.TestDesk, tiger: str = "77", symbol: str = "AAPL") -> str:
    desk.settle(core_items.external(tiger=tiger, symbol=symbol))
    order_id = desk.state.by_tiger_id.get(tiger)
    assert order_id is not None
    return order_id


def cancelled(desk: facts.TestDesk, tiger: str, symbol: str = "AAPL") -> None:
    row = core_items.external(tiger=tiger, symbol=symbol)
    assert desk.settle(replace(row, phase=SeenPhase.CANCELLED))


def rests(desk: facts.TestDesk, order_id: str) -> bool:
    return not must_not_rest(desk.state, desk.state.orders[order_id])


def cancels_unread(desk: facts.TestDesk, symbol: str) -> bool:
    return must_cancel_unread(desk.state, _UNREAD, symbol)


# --- a symbol, under a halt of the account -------------------------------------------------


def test_models_halt_of_a_symbol_under_a_halt_of_the_account_undoes_no_deed() -> None:
    desk = halted("")
    stop = by_phone(desk)
    assert rests(desk, stop)
    event = desk.when(model_halts("AAPL"))
    assert isinstance(event, account_events.AccountHalted)
    assert not event.is_repeated
    assert rests(desk, stop)
    assert rests(desk, by_phone(desk, "78"))
    assert not cancels_unread(desk, "AAPL")
    assert "AAPL" not in desk.state.unverified_halts
    # It stands by itself all the same, and is as verified as the account's was.
    desk.when(core_items.resume(shown_n=len(desk.line)))
    assert desk.state.halts("AAPL")
    assert rests(desk, stop)


def test_persons_halt_of_a_symbol_under_a_halt_of_the_account_is_a_new_one() -> None:
    desk = halted("")
    stop, other = by_phone(desk), by_phone(desk, "78", "MSFT")
    desk.when(core_items.halt("AAPL", command_id="again"))
    assert not rests(desk, stop)
    assert rests(desk, other)


def test_models_halt_of_a_symbol_under_a_halt_that_is_not_verified_waits_for_the_same() -> None:
    desk = halted("", is_verified=False)
    halted_n = len(desk.line)
    open_then = by_phone(desk)
    desk.when(model_halts("AAPL"))
    assert not rests(desk, open_then)
    # Whatever is lifted of the two, the other wants it cancelled.
    lifted = facts.TestDesk(*desk.line)
    lifted.when(core_items.resume(shown_n=len(lifted.line)))
    assert not rests(lifted, open_then)
    lifted = facts.TestDesk(*desk.line)
    lifted.when(core_items.resume("AAPL", shown_n=len(lifted.line)))
    assert not rests(lifted, open_then)
    # A round that began between the two halts verifies both at once.
    cancelled(desk, "77")
    later = core_items.round_of_open(after_n=halted_n)
    assert isinstance(desk.when(later), account_events.AccountHaltVerified)
    closing = by_phone(desk, "78")
    assert rests(desk, closing)
    cancelled(desk, "78")
    assert isinstance(desk.when(later), account_events.AccountHaltVerified)
    assert len(desk.state.unverified_halts) == 0


# --- the account, over a halt of a symbol --------------------------------------------------


def test_models_halt_of_the_account_undoes_no_deed_under_the_halt_of_a_symbol() -> None:
    desk = halted("AAPL")
    stop, other = by_phone(desk), by_phone(desk, "78", "MSFT")
    event = desk.when(model_halts(""))
    assert isinstance(event, account_events.AccountHalted)
    assert not event.is_repeated
    assert event.spares == ("AAPL",)
    assert rests(desk, stop)
    assert not cancels_unread(desk, "AAPL")
    # For every other symbol it is the first.
    assert not rests(desk, other)
    assert cancels_unread(desk, "MSFT")
    assert cancels_unread(desk, "")
    # Nor when the person has lifted what stood over the deed.
    desk.when(core_items.resume("AAPL", shown_n=len(desk.line)))
    assert rests(desk, stop)


def test_persons_halt_of_the_account_over_the_halt_of_a_symbol_is_a_new_one() -> None:
    desk = halted("AAPL")
    stop = by_phone(desk)
    desk.when(core_items.halt(command_id="again"))
    assert not rests(desk, stop)


def test_models_halt_of_the_account_is_verified_beside_a_persons_deed() -> None:
    desk = halted("AAPL")
    by_phone(desk)
    other = by_phone(desk, "78", "MSFT")
    desk.when(model_halts(""))
    assert verify(desk, "AAPL", "MSFT") == []
    assert not rests(desk, other)
    cancelled(desk, "78", "MSFT")
    assert [type(event) for event in verify(desk, "AAPL")] == [account_events.AccountHaltVerified]
    assert "" not in desk.state.unverified_halts
    assert rests(desk, by_phone(desk, "79", "MSFT"))


def test_models_halt_of_the_account_is_not_verified_over_an_order_of_ours() -> None:
    desk = halted("AAPL")
    for event in (facts.previewed(), facts.started(), facts.unknown()):
        desk.store(event)
    desk.when(model_halts(""))
    assert verify(desk, "AAPL") == []
    assert "" in desk.state.unverified_halts


def test_models_halt_of_the_account_takes_over_from_a_symbols_that_is_lifted_unverified() -> None:
    desk = halted("AAPL", is_verified=False)
    open_then = by_phone(desk)
    desk.when(model_halts(""))
    desk.when(core_items.resume("AAPL", shown_n=len(desk.line)))
    assert not rests(desk, open_then)


# --- any of them, in any order -------------------------------------------------------------

_STEPS: Final = st.tuples(
    st.sampled_from(("person", "model", "resume", "round", "busy round", "order")),
    st.sampled_from(_SCOPES),
)


def step_of(desk: facts.TestDesk, kind: str, scope: str) -> None:
    """Have a desk take one step; a busy round shows an order of the scope open."""
    id_ = f"{kind}-{len(desk.line)}"
    match kind:
        case "person":
            desk.when(core_items.halt(scope, command_id=id_))
        case "model":
            desk.when(model_halts(scope, id_))
        case "resume":
            desk.when(core_items.resume(scope, command_id=id_, shown_n=len(desk.line)))
        case "round":
            verify(desk)
        case "busy round":
            verify(desk, scope)
        case _:
            by_phone(desk, str(len(desk.line)), scope or "AAPL")


def wanted(state: AccountState) -> set[str]:
    return {symbol for symbol in _SYMBOLS if wants_strangers_cancelled(state, symbol)}


def unverified_of(line: list[events.Event]) -> tuple[str, ...]:
    account = AccountEntry(alias=facts.ACCOUNT)
    told = ((n, event) for n, event in enumerate(line, start=1) if changed_order_id(event) is None)
    for n, event in told:
        change = fold(account, None, facts.recorded(event, n), is_tiger_id_known=False)
        account = change.account or account
    return account.unverified_halts


@settings(max_examples=200)
@given(st.lists(_STEPS, max_size=12))
def test_whose_halt_it_is_says_what_it_changes(steps: list[tuple[str, str]]) -> None:
    desk = facts.TestDesk(*facts.ready())
    for kind, scope in steps:
        before = desk.state
        step_of(desk, kind, scope)
        covered = {symbol for symbol in _SYMBOLS if scope in ("", symbol)}
        match kind:
            case "person":
                assert wanted(desk.state) == wanted(before) | covered
            case "model":
                new = {symbol for symbol in covered if not before.halts(symbol)}
                assert wanted(desk.state) == wanted(before) | new
            case _:
                assert wanted(desk.state) <= wanted(before)
        assert all(desk.state.halts(symbol) for symbol in wanted(desk.state))
    scopes = tuple(sorted(scope for scope, _ in desk.state.unverified_halts.items()))
    assert unverified_of(desk.line) == scopes
