"""The generated rights: narrow, complete, and the same on both sides of every import."""

import re
from pathlib import Path

import pytest

from core.errors import ConfigError
from infra.nats.config_text import Listener, ServerTls, render
from infra.nats.layout import NatsHome
from infra.nats.ports import Ports
from infra.nats.streams import StoreLimits, consumer_plans, stream_plans
from infra.nats.topology import (
    CORE_ACCOUNT,
    LoginPlan,
    SubscriberPlan,
    Topology,
    role_names,
    role_plan,
    role_plans,
)
from infra.nats.work_queue import ALIVE_EVERY_S

TOPOLOGY = Topology(
    logins=(
        LoginPlan(name="x", accounts=("a1", "a2")),
        LoginPlan(name="y-2", accounts=("b1",)),
    ),
    gateway_accounts=("a1", "b1"),
    subscribers=(SubscriberPlan(name="s1", accounts=("a1",)),),
)
PORTS = Ports(client=4222, monitor=8222)


def rendered(topology: Topology = TOPOLOGY, listener: Listener | None = None) -> str:
    return render(
        topology,
        public_keys={role: f"KEY-{role}" for role in role_names(topology)},
        listener=listener or Listener(ports=PORTS),
        home=NatsHome(Path("/home/of/tests")),
        limits=StoreLimits(),
    )


def block(account: str) -> str:
    found = re.search(rf'^  "{account}": \{{\n(.*?)^  \}}\n', rendered() + "\n", re.M | re.S)
    assert found is not None
    return found.group(1)


def imports(account: str, kind: str) -> set[str]:
    return set(re.findall(rf'\{{ {kind}: \{{ account: "[^"]+", subject: "([^"]+)"', block(account)))


def granted(account: str, right: str) -> set[str]:
    lists = re.findall(rf"{right}: \{{ allow: \[(.*?)\] \}}", block(account))
    return {subject for each in lists for subject in re.findall(r'"([^"]+)"', each)}


def test_same_arguments_give_the_same_text() -> None:
    assert rendered() == rendered()


@pytest.mark.parametrize("account", sorted({plan.nats_account for plan in role_plans(TOPOLOGY)}))
def test_imports_are_what_the_users_may_publish_and_hear(account: str) -> None:
    assert imports(account, "service") == granted(account, "publish")
    own = {
        subject
        for plan in role_plans(TOPOLOGY)
        if plan.nats_account == account
        for subject in plan.subscribe
        if subject.startswith("_INBOX_") or subject in plan.serves
    }
    assert imports(account, "stream") == granted(account, "subscribe") - own


@pytest.mark.parametrize("role", role_names(TOPOLOGY)[1:])
def test_no_right_to_send_has_a_wildcard_where_an_account_stands(role: str) -> None:
    kinds = r"(?:cmd|ctl|log|evt|ask|view|access|alert|raise\.alert|\$KV\.quotes|lease)"
    for subject in role_plan(TOPOLOGY, role).publish:
        assert not re.search(rf"(?:^|\.){kinds}\.[*>]", subject), subject
        # Names of streams and consumers are whole; only an ack's numbers are open.
        assert not re.search(r"\*", re.sub(r"\.\*\.\*\.\*\.\*\.\*$", "", subject)), subject


@pytest.mark.parametrize("role", role_names(TOPOLOGY)[1:])
def test_no_role_may_administer_jetstream(role: str) -> None:
    allowed = ("CONSUMER.MSG.NEXT.", "CONSUMER.RESET.", "DIRECT.GET.")
    for subject in role_plan(TOPOLOGY, role).publish:
        if subject.startswith("$JS.API."):
            assert subject.removeprefix("$JS.API.").startswith(allowed)


def test_each_export_is_open_to_its_importers_alone() -> None:
    for plan in role_plans(TOPOLOGY):
        for call in plan.calls:
            line = next(
                line
                for line in block(call.provider).splitlines()
                if f'{{ service: "{call.subject}"' in line
            )
            importers = {
                other.nats_account
                for other in role_plans(TOPOLOGY)
                if call.subject in other.publish
            }
            assert set(re.findall(r'"([^"]+)"', line.split("accounts:")[1])) == importers


def test_only_core_holds_streams() -> None:
    assert rendered().count("jetstream: enabled") == 1
    assert "jetstream: enabled" in block(CORE_ACCOUNT)


def test_a_subscriber_may_send_nothing() -> None:
    assert 'publish: { deny: [">"] }' in block("SUBSCRIBER")
    assert role_plan(TOPOLOGY, "subscriber-s1").publish == ()


def test_the_gateway_has_only_what_it_was_granted() -> None:
    assert not [subject for subject in granted("GATEWAY", "publish") if ".a2." in subject]
    assert not [subject for subject in granted("GATEWAY", "subscribe") if ".a2." in subject]


def test_the_operator_asks_no_broker() -> None:
    assert not [subject for subject in granted("OPERATOR", "publish") if subject.startswith("ask")]


def test_a_listener_beyond_loopback_needs_certificates() -> None:
    with pytest.raises(ConfigError):
        Listener(ports=PORTS, host="10.0.0.1")
    files = {name: Path(f"/tls/{name}") for name in ("cert_file", "key_file", "ca_file")}
    text = rendered(listener=Listener(ports=PORTS, host="10.0.0.1", tls=ServerTls(**files)))
    assert "verify: true" in text
    assert 'http: "127.0.0.1:8222"' in text


@pytest.mark.parametrize(
    "fields",
    [
        {"logins": (LoginPlan(name="x", accounts=("system",)),)},
        {"logins": (LoginPlan(name="x", accounts=("a.b",)),)},
        {"logins": (LoginPlan(name="X", accounts=("a",)),)},
        {"logins": (LoginPlan(name="x", accounts=("a", "a")),)},
        {
            "logins": (
                LoginPlan(name="x", accounts=("a",)),
                LoginPlan(name="y", accounts=("a",)),
            )
        },
        {"logins": (), "gateway_accounts": ("a",)},
        {"logins": (), "subscribers": (SubscriberPlan(name="s", accounts=("a",)),)},
        {"logins": (), "operators": ("gateway",)},
        {"logins": (), "operators": ("../operator",)},
    ],
    ids=str,
)
def test_a_bad_account_list_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Topology(**fields)  # type: ignore[arg-type]  # wrong on purpose, in turns


def test_ledgers_keep_everything_for_ever() -> None:
    ledgers = [plan for plan in stream_plans(TOPOLOGY, StoreLimits()) if "LEDGER_" in plan.name]
    assert [plan.name for plan in ledgers] == ["LEDGER_system", "LEDGER_x", "LEDGER_y-2"]
    for plan in ledgers:
        kept = {
            "retention": "limits",
            "discard": "new",
            "max_age": 0,
            "max_msgs": -1,
            "max_msgs_per_subject": -1,
            "deny_delete": True,
            "deny_purge": True,
            "allow_rollup_hdrs": False,
            "allow_atomic": False,
            "allow_direct": True,
            "republish": {"src": "log.*.>", "dest": "evt.{{wildcard(1)}}.>"},
        }
        assert {name: plan.settings[name] for name in kept} == kept


def test_a_command_is_never_given_up_and_never_blocks_a_cancel() -> None:
    work = [plan for plan in consumer_plans(TOPOLOGY) if plan.name.startswith("w-")]
    assert {(plan.stream, plan.name) for plan in work} == {
        (stream, f"w-{account}")
        for stream in ("COMMANDS", "CONTROL")
        for account in ("a1", "a2", "b1")
    }
    for plan in work:
        assert plan.settings["max_deliver"] == -1
        assert plan.settings["max_ack_pending"] == 256
        # A halt whose taker died reaches the successor soon.
        ack_wait_s = 3 if plan.stream == "CONTROL" else 30
        assert plan.settings["ack_wait"] == ack_wait_s * 1_000_000_000
        assert ack_wait_s >= 3 * ALIVE_EVERY_S
