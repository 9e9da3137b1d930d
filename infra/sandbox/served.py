"""The table of an SDK's methods in docs/sandbox.md: which of them the sandbox serves.

What the SDK has is handed in, because the sandbox does not know it.
"""

from collections.abc import Sequence

import msgspec

from infra.sandbox.methods.table import OBJECT_METHODS, TEXT_METHODS

SERVED = frozenset({*TEXT_METHODS, *OBJECT_METHODS})
BEGIN = "<!-- made by `just sandbox-methods`: do not edit by hand -->"
END = "<!-- end of what is made -->"


class SdkMethod(msgspec.Struct, frozen=True, kw_only=True):
    """One public method of one of the SDK's clients."""

    client: str
    name: str
    wire_names: tuple[str, ...]  # Tiger's methods that it may call; none: it calls nothing


def is_served(method: SdkMethod) -> bool:
    """Say whether everything that a method calls is served."""
    return all(name in SERVED for name in method.wire_names)


def method_table(methods: Sequence[SdkMethod]) -> str:
    """Return the table in Markdown, with its marks, in the order given."""
    served_count = sum(map(is_served, methods))
    lines = [
        BEGIN,
        "",
        f"{served_count} of {len(methods)} methods of the Python SDK are served.",
        "",
        "| client | Python method | wire name | served |",
        "| --- | --- | --- | --- |",
    ]
    for method in methods:
        names = ", ".join(f"`{name}`" for name in method.wire_names) or "–"
        answer = "yes" if is_served(method) else "no"
        lines.append(f"| {method.client} | `{method.name}` | {names} | {answer} |")
    return "\n".join([*lines, "", END])


def with_table(document: str, table: str) -> str:
    """Return a document with its table replaced.

    Raises:
        ValueError: it has no marks.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected {BEGIN} and {END}")
    return before + table + after
