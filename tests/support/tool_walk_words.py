"""Which words a tool's input schema knows, which of them a call says, and calls that say them all.

A word is a parameter's name, or with `=` a value of its closed list: `get_bars.period=45min`. Of
the parts of a list the name goes on: `preview_order.legs.side=buy`. A boolean has two values.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Schema = Mapping[str, Any]
Arguments = dict[str, Any]
# Further calls that a value is put into.
TURNS: Final = 3


def words_of(tools: Mapping[str, Schema]) -> frozenset[str]:
    """Return every word of the tools' schemas."""
    return frozenset(word for tool, schema in tools.items() for word in _words(tool, schema))


def words_in(tool: str, schema: Schema, arguments: Arguments) -> frozenset[str]:
    """Return the words that a call says."""
    return frozenset(_said(tool, schema, arguments))


def turned(schema: Schema, known: Sequence[Arguments]) -> list[Arguments]:
    """Return known calls of a tool with every value of its closed lists put into some of them.

    Each value goes into the first call, which is the plainest, and into others by turns.
    """
    values = [(name, v) for name, part in schema["properties"].items() for v in values_of(part)]
    others = itertools.cycle(known)
    return [
        {**each, name: value}
        for name, value in values
        for each in (known[0], *itertools.islice(others, TURNS))
        if each.get(name) != value
    ]


def values_of(schema: Schema) -> tuple[Any, ...]:
    """Return the values of a closed list; nothing of what is open."""
    return (True, False) if schema.get("type") == "boolean" else tuple(schema.get("enum", ()))


def _words(name: str, schema: Schema) -> Iterator[str]:
    for value in values_of(schema):
        yield f"{name}={value}"
    for part, each in _parts(schema).items():
        yield f"{name}.{part}"
        yield from _words(f"{name}.{part}", each)


def _said(name: str, schema: Schema, value: Any) -> Iterator[str]:
    if any(value is each or value == each != bool(each) for each in values_of(schema)):
        yield f"{name}={value}"
    parts = _parts(schema)
    for item in value if isinstance(value, list) else [value]:
        for part in parts.keys() & (item if isinstance(item, dict) else {}):
            yield f"{name}.{part}"
            yield from _said(f"{name}.{part}", parts[part], item[part])


def _parts(schema: Schema) -> Mapping[str, Schema]:
    whole: Schema = schema.get("items", schema)
    parts: Mapping[str, Schema] = whole.get("properties", {})
    return parts
