"""What docs/sandbox.md says is so: its table of methods, its faults and its switches."""

import re
from typing import get_args

import msgspec
import pytest
from tigeropen.common.consts import service_types

from infra.sandbox.logins.switches import LoginSwitches
from infra.sandbox.push.faults import AnyPushEffect
from infra.sandbox.served import SERVED, SdkMethod, is_served, method_table, with_table
from infra.sandbox.settings import Settings
from infra.sandbox.wire.faults import AnyEffect
from tests.support.sdk_methods import DOCUMENT, document_with_table, sdk_methods

TEXT = DOCUMENT.read_text(encoding="utf-8")
CONTROL = DOCUMENT.parents[1] / "infra" / "sandbox" / "control"


def method_called(name: str) -> SdkMethod:
    return next(each for each in sdk_methods() if each.name == name)


def test_table_of_methods_is_what_just_sandbox_methods_makes() -> None:
    assert document_with_table() == TEXT, "run `just sandbox-methods`"


def test_every_method_of_the_sdk_is_in_the_table() -> None:
    assert len(sdk_methods()) == 107
    wire_names = {name for each in sdk_methods() for name in each.wire_names}
    known = {value for name, value in vars(service_types).items() if name.isupper()}
    assert wire_names <= known


@pytest.mark.parametrize(
    "name, wire_names",
    [
        ("place_order", ("place_order",)),
        ("create_order", ("order_no",)),
        ("get_bars_by_page", ("kline",)),
        ("get_managed_accounts", ("accounts",)),
    ],
)
def test_wire_names_are_found_through_other_methods(name: str, wire_names: tuple[str, ...]) -> None:
    assert method_called(name).wire_names == wire_names


def test_method_with_an_unserved_call_is_not_served() -> None:
    served = SdkMethod(client="trade", name="a", wire_names=("place_order",))
    half = SdkMethod(client="trade", name="b", wire_names=("place_order", "no_such"))
    assert is_served(served)
    assert not is_served(half)
    assert "1 of 2 methods" in method_table((served, half))


def test_document_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="made by"):
        with_table("nothing", "table")


def test_every_fault_is_documented_with_its_parameters() -> None:
    section = TEXT.partition("## Faults")[2].partition("\n## ")[0]
    for effect in get_args(AnyEffect):
        tag = effect.__struct_config__.tag
        (row,) = [
            line
            for line in section.splitlines()
            if f"`{tag}`" in line.partition("| ")[2].partition(" |")[0]
        ]
        for field in msgspec.structs.fields(effect):
            assert f"`{field.name}`" in row, row


def test_every_switch_is_documented() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", TEXT, re.M)
    assert {field.name for field in msgspec.structs.fields(Settings)} <= set(rows)


def test_every_switch_of_logins_is_documented() -> None:
    section = TEXT.partition("## Logins")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", section, re.M)
    assert {field.name for field in msgspec.structs.fields(LoginSwitches)} == set(rows)


def test_every_push_fault_is_documented_with_its_parameters() -> None:
    section = TEXT.partition("## Push")[2].partition("\n## ")[0]
    for effect in get_args(AnyPushEffect):
        (row,) = [
            line
            for line in section.splitlines()
            if line.startswith(f"| `{effect.__struct_config__.tag}` |")
        ]
        for field in msgspec.structs.fields(effect):
            assert f"`{field.name}`" in row, row


def test_every_control_route_is_documented() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in CONTROL.glob("*.py"))
    routes = set(re.findall(r'\("(?:GET|POST|DELETE)", "(/[\w/]+)"\):', source))
    assert len(routes) > 30
    assert [path for path in sorted(routes) if f" {path}`" not in TEXT] == []


def test_what_is_served_is_not_empty() -> None:
    assert {"place_order", "orders", "positions"} <= SERVED
