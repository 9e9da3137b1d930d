"""Who exists on NATS and who may say what: the one table that rights are generated from.

Each role has a NATS account of its own (subscribers share one: they can send nothing). The accounts
are joined by imports, and an account's imports are exactly what its user may publish or hear: both
are written from the same `RolePlan`, so neither can be wider than the other. No subject that a role
may send has a wildcard where an account stands, because a message stored under a literal `*` would
match no consumer for ever.
"""

from typing import Final

import msgspec

from core.errors import ConfigError
from core.ids import is_alias
from core.subjects import (
    COMMANDS_STREAM,
    CONTROL_STREAM,
    SYSTEM,
    SYSTEM_STREAM,
    Kind,
    history_consumer,
    lease_stream,
    lease_wildcard,
    ledger_stream,
    log_wildcard,
    work_consumer,
)

CORE_ACCOUNT: Final = "CORE"
PROVISIONER: Final = "provisioner"
GATEWAY: Final = "gateway"
OPERATOR: Final = "operator"
PROJECTOR: Final = "projector"
NOTARY: Final = "notary"

ALERTS_STREAM: Final = "ALERTS"
HEADS_STREAM: Final = "HEADS"
ACCESS_STREAM: Final = "ACCESS"
ADVISORY_STREAM: Final = "ADVISORY"
QUOTES_STREAM: Final = "KV_quotes"
HEAD_SUBJECT: Final = "audit.head"
RAISE_HEAD_SUBJECT: Final = "raise.head"

# The account token of a v2 ack subject: first 8 bytes of SHA-256 of the NATS account's name, each
# modulo 62 into 0-9A-Za-z. Left open as `*`, one login could take another's command.
_CORE_ACK_HASH: Final = "RtqtexZK"


class LoginPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One broker login and the accounts that its worker serves."""

    name: str
    accounts: tuple[str, ...]


class SubscriberPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A program that hears the facts and alerts of some accounts and sends nothing."""

    name: str
    accounts: tuple[str, ...]


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that NATS rights, streams and keys are derived from.

    Raises:
        ConfigError: for a bad or doubled name, or a grant of an account that does not exist.
    """

    logins: tuple[LoginPlan, ...]
    gateway_accounts: tuple[str, ...] = ()
    subscribers: tuple[SubscriberPlan, ...] = ()
    operators: tuple[str, ...] = (OPERATOR,)

    def __post_init__(self) -> None:
        _check_names("login", [login.name for login in self.logins])
        _check_names("account", list(self.accounts))
        _check_names("subscriber", [subscriber.name for subscriber in self.subscribers])
        _check_names("operator", list(self.operators))
        if GATEWAY in self.operators:
            raise ConfigError(f"expected an operator's name, was {GATEWAY!r} (a signer of its own)")
        grants = {"the gateway": self.gateway_accounts} | {
            f"subscriber {subscriber.name}": subscriber.accounts for subscriber in self.subscribers
        }
        for holder, granted in grants.items():
            for account in granted:
                if account not in self.accounts:
                    raise ConfigError(f"expected accounts of a login for {holder}, was {account!r}")

    @property
    def accounts(self) -> tuple[str, ...]:
        """Return every account, in the order of the logins."""
        return tuple(account for login in self.logins for account in login.accounts)


class Call(msgspec.Struct, frozen=True):
    """A subject that a role may send to, answered in the NATS account `provider`."""

    subject: str
    provider: str
    # A pull is answered by many messages; everything else by one.
    is_answered_by_many: bool = False


class Feed(msgspec.Struct, frozen=True):
    """A subject that a role hears, sent in the NATS account `provider`."""

    subject: str
    provider: str


class RolePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One role's whole rights."""

    role: str
    nats_account: str
    calls: tuple[Call, ...] = ()
    feeds: tuple[Feed, ...] = ()
    # Subjects it answers inside its own NATS account; others reach them only by an import.
    serves: tuple[str, ...] = ()

    @property
    def publish(self) -> tuple[str, ...]:
        """Return the subjects that its user may publish."""
        return tuple(call.subject for call in self.calls)

    @property
    def subscribe(self) -> tuple[str, ...]:
        """Return the subjects that its user may subscribe."""
        # Who sends nothing gets no answers.
        inbox = (f"{inbox_prefix(self.role)}.>",) if self.calls else ()
        return (*inbox, *(feed.subject for feed in self.feeds), *self.serves)


def worker_role(login: str) -> str:
    """Return the role of one login's worker."""
    return f"worker-{login}"


def subscriber_role(name: str) -> str:
    """Return the role of one subscriber."""
    return f"subscriber-{name}"


def login_account(login: str) -> str:
    """Return the NATS account of one login."""
    return f"LOGIN_{login}"


def inbox_prefix(role: str) -> str:
    """Return the first token of every inbox of a role."""
    return f"_INBOX_{role}"


def role_names(topology: Topology) -> tuple[str, ...]:
    """Return every role, the provisioner first."""
    return (PROVISIONER, *(plan.role for plan in role_plans(topology)))


def role_plan(topology: Topology, role: str) -> RolePlan:
    """Return the rights of one role other than the provisioner, which owns CORE.

    Raises:
        ConfigError: for a role that the topology does not have.
    """
    for plan in role_plans(topology):
        if plan.role == role:
            return plan
    raise ConfigError(f"expected one of {', '.join(role_names(topology))}, was {role!r}")


def role_plans(topology: Topology) -> tuple[RolePlan, ...]:
    """Return the rights of all roles but the provisioner, in a fixed order."""
    return (
        *(_worker(login) for login in topology.logins),
        _gateway(topology),
        _operator(topology),
        _projector(topology),
        _notary(topology),
        *(
            RolePlan(
                role=subscriber_role(subscriber.name),
                nats_account="SUBSCRIBER",
                feeds=_facts_and_alerts(subscriber.accounts),
            )
            for subscriber in topology.subscribers
        ),
    )


def ledger_streams(topology: Topology) -> tuple[str, ...]:
    """Return the names of all ledgers, the system's first."""
    return (SYSTEM_STREAM, *(ledger_stream(login.name) for login in topology.logins))


def _worker(login: LoginPlan) -> RolePlan:
    ledger = ledger_stream(login.name)
    calls: list[Call] = []
    for account in login.accounts:
        calls.append(_to_core(log_wildcard(account)))
        for queue in (COMMANDS_STREAM, CONTROL_STREAM):
            consumer = work_consumer(account)
            calls.append(_pull(queue, consumer))
            # Both forms of ack, every token bound that could name another consumer.
            calls.append(_to_core(f"$JS.ACK.{queue}.{consumer}.*.*.*.*.*"))
            calls.append(_to_core(f"$JS.ACK._.{_CORE_ACK_HASH}.{queue}.{consumer}.>"))
        calls.extend(_history(ledger, account))
    calls.append(_to_core(f"$KV.quotes.{login.name}.>"))
    lease = lease_wildcard(login.name)
    calls.append(_to_core(lease))
    calls.append(_to_core(f"$JS.API.DIRECT.GET.{lease_stream(login.name)}.{lease}"))
    return RolePlan(
        role=worker_role(login.name),
        nats_account=login_account(login.name),
        calls=tuple(calls),
        serves=tuple(f"{Kind.ASK}.{account}.>" for account in login.accounts),
    )


def _gateway(topology: Topology) -> RolePlan:
    granted = topology.gateway_accounts
    logins = {account: login.name for login in topology.logins for account in login.accounts}
    quote_logins = sorted({logins[account] for account in granted})
    return RolePlan(
        role=GATEWAY,
        nats_account="GATEWAY",
        calls=(
            *(_to_core(f"{Kind.COMMAND}.{account}.>") for account in granted),
            *(
                Call(f"{Kind.ASK}.{account}.>", login_account(logins[account]))
                for account in granted
            ),
            *_views(granted),
            *(_to_core(f"{Kind.ACCESS}.{account}.>") for account in (*granted, SYSTEM)),
            *(
                _to_core(f"$JS.API.DIRECT.GET.{QUOTES_STREAM}.$KV.quotes.{login}.>")
                for login in quote_logins
            ),
        ),
        feeds=_facts_and_alerts((*granted, SYSTEM)),
    )


def _operator(topology: Topology) -> RolePlan:
    return RolePlan(
        role=OPERATOR,
        nats_account="OPERATOR",
        calls=(
            *(_to_core(f"{Kind.CONTROL}.{account}.>") for account in topology.accounts),
            _to_core(log_wildcard(SYSTEM)),
            *_history(SYSTEM_STREAM, SYSTEM),
            *_views(topology.accounts),
        ),
        feeds=_facts_and_alerts((*topology.accounts, SYSTEM)),
    )


def _projector(topology: Topology) -> RolePlan:
    return RolePlan(
        role=PROJECTOR,
        nats_account="PROJECTOR",
        calls=(
            *_followed((*ledger_streams(topology), ACCESS_STREAM, ADVISORY_STREAM), PROJECTOR),
            *(_to_core(f"raise.alert.{account}.>") for account in (*topology.accounts, SYSTEM)),
        ),
        feeds=(Feed(HEAD_SUBJECT, CORE_ACCOUNT),),
        serves=(f"{Kind.VIEW}.*.>", "$SRV.>"),
    )


def _notary(topology: Topology) -> RolePlan:
    return RolePlan(
        role=NOTARY,
        nats_account="NOTARY",
        calls=(*_followed(ledger_streams(topology), NOTARY), _to_core(RAISE_HEAD_SUBJECT)),
    )


def _to_core(subject: str) -> Call:
    return Call(subject, CORE_ACCOUNT)


def _pull(stream: str, consumer: str) -> Call:
    return Call(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", CORE_ACCOUNT, True)


def _reset(stream: str, consumer: str) -> Call:
    return _to_core(f"$JS.API.CONSUMER.RESET.{stream}.{consumer}")


# A writer reads its own line of events: whole through a consumer, its end by direct get.
def _history(stream: str, account: str) -> tuple[Call, ...]:
    consumer = history_consumer(account)
    return (
        _pull(stream, consumer),
        _reset(stream, consumer),
        _to_core(f"$JS.API.DIRECT.GET.{stream}.{log_wildcard(account)}"),
    )


def _followed(streams: tuple[str, ...], consumer: str) -> tuple[Call, ...]:
    return tuple(
        call for stream in streams for call in (_pull(stream, consumer), _reset(stream, consumer))
    )


def _views(accounts: tuple[str, ...]) -> tuple[Call, ...]:
    return tuple(Call(f"{Kind.VIEW}.{account}.>", "PROJECTOR") for account in (*accounts, SYSTEM))


def _facts_and_alerts(accounts: tuple[str, ...]) -> tuple[Feed, ...]:
    return (
        *(Feed(f"{Kind.EVENT}.{account}.>", CORE_ACCOUNT) for account in accounts),
        *(Feed(f"alert.{account}.>", CORE_ACCOUNT) for account in accounts),
        Feed(HEAD_SUBJECT, CORE_ACCOUNT),
    )


def _check_names(what: str, names: list[str]) -> None:
    for name in names:
        if not is_alias(name):
            raise ConfigError(f"expected {what} as 1 to 32 of a-z, 0-9 and '-', was {name[:40]!r}")
    if len(set(names)) != len(names):
        raise ConfigError(f"expected each {what} once, was {', '.join(names)}")
