"""Each SDK method that the sandbox serves has a contract test that looks at what it returns.

The tests are read, not run. A call of the method counts where its result is used; one whose result
is dropped does not, nor one that is only expected to fail.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from infra.sandbox.served import is_served
from tests.support.sdk_methods import sdk_methods

ROOT = Path(__file__).resolve().parents[1]
CONTRACT_TESTS = sorted((ROOT / "contract").glob("test_sandbox_*.py"))
SERVED = frozenset(each.name for each in sdk_methods() if is_served(each))


def test_every_served_method_has_a_contract_test() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in CONTRACT_TESTS]
    tested = {name for tree in trees for name in called_in(tree)}
    assert sorted(SERVED - tested) == []


def test_call_that_nobody_looks_at_is_no_contract_test() -> None:
    tree = ast.parse(
        "def test_it():\n"
        "    with pytest.raises(ApiException):\n"
        "        client.get_orders()\n"
        "    client.get_open_orders()\n"
        "    assert refused(lambda: client.get_filled_orders()) == 1010\n"
        "    with running() as box:\n"
        "        assert box.client.get_order(id=1).id == 1\n"
    )
    assert set(called_in(tree)) & SERVED == {"get_order"}


def test_name_that_is_only_written_is_no_contract_test() -> None:
    tree = ast.parse("def test_it():\n    assert 'get_orders' == client.get_order\n")
    assert set(called_in(tree)) & SERVED == set()


def called_in(node: ast.AST) -> Iterator[str]:
    """Give the names of methods whose results are used, outside of `pytest.raises`."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.With(items=items) if any(_is_raises(item.context_expr) for item in items):
                continue
            case ast.Call(func=ast.Name(id="refused")):
                continue
            case ast.Expr(value=ast.Call() as dropped):
                yield from called_in(dropped)
                continue
            case ast.Call(func=ast.Attribute(attr=name)):
                yield name
            case _:
                pass
        yield from called_in(child)


def _is_raises(expression: ast.expr) -> bool:
    match expression:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="pytest"), attr="raises")):
            return True
        case _:
            return False
