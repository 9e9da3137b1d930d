"""`python -m tests.support.sdk_methods`: write the table of the SDK's methods into docs/sandbox.md.

The SDK is read, not asked: each public method of its two clients, and the wire names in the calls
that its source makes, through the client's other methods too.
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tigeropen.common.consts import service_types
from tigeropen.quote.quote_client import QuoteClient
from tigeropen.trade.trade_client import TradeClient

from infra.sandbox.served import SdkMethod, method_table, with_table

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "sandbox.md"
CLIENTS = (("trade", TradeClient), ("quote", QuoteClient))


def sdk_methods() -> tuple[SdkMethod, ...]:
    """Return every public method of the SDK's clients, in the order of its source."""
    return tuple(
        SdkMethod(client=label, name=name, wire_names=tuple(sorted(_wire_names(client, name))))
        for label, client in CLIENTS
        for name in vars(client)
        if _is_method(vars(client)[name], name)
    )


def document_with_table() -> str:
    """Return the document as it should be."""
    return with_table(DOCUMENT.read_text(encoding="utf-8"), method_table(sdk_methods()))


def _is_method(value: Any, name: str) -> bool:
    # A second name of a method is no method of its own.
    return not name.startswith("_") and inspect.isfunction(value) and value.__name__ == name


def _wire_names(client: Any, name: str, seen: frozenset[str] = frozenset()) -> set[str]:
    # A constructor is left out: it calls Tiger for itself, whatever method follows.
    if name in seen or name == "__init__" or name not in vars(client):
        return set()
    found = set()
    for called in _calls(vars(client)[name]):
        match called:
            case ast.Call(func=ast.Name(id="OpenApiRequest"), args=[ast.Name(id=constant), *_]):
                found.add(str(getattr(service_types, constant)))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=other)):
                is_private = other.startswith("__")
                mangled = f"_{client.__name__}{other}" if is_private else other
                found |= _wire_names(client, mangled, seen | {name})
            case _:
                pass
    return found


def _calls(function: Any) -> Iterator[ast.Call]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def main() -> int:
    """Write the document."""
    DOCUMENT.write_text(document_with_table(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
