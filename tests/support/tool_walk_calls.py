"""Calls for the walk over every tool, made by hypothesis from each tool's own input schema.

Four kinds: `known` (a call a model would make, by turns with every word of the schema's closed
lists), `fitting` (such a call with one or two arguments that the schema allows, mostly sensible
ones), `boundary` (with values on and just over an edge), `hostile` (wrong kinds, absent, extra,
huge, strange text, other people's names, injections). The same tools, count and seed give the same
calls. What is only known while the walk goes on stands as a word in braces, such as `{order:3}`;
`filled` puts it in.
"""

import itertools
import json
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.support.cluster import Era
from tests.support.tool_walk_known import KNOWN, SENSIBLE
from tests.support.tool_walk_values import (
    EDGES,
    EXTRAS,
    FOREIGN,
    HUGE,
    ODD,
    STRANGE,
    TEXT_LENGTHS,
)
from tests.support.tool_walk_words import Arguments, Schema, turned

Mutation = Callable[[DrawFn, Schema, Arguments], None]
# Modes of the client: the newest era that the server speaks, and the old one.
ERAS: Final[tuple[Era, ...]] = ("auto", "legacy")
_SHOWN_KEYS: Final = frozenset({"type", "description", "default"})
_WORD: Final = re.compile(r"\{([a-z]+):(\d+)\}")
_STANDING: Final = frozenset({"account", "cursor", "key", "warned"})
_TEXT_LENGTH_MAX: Final = 60
_MUTATIONS_MAX: Final = 3


class Kind(StrEnum):
    """Why a call is in the walk."""

    KNOWN = "known"
    FITTING = "fitting"
    BOUNDARY = "boundary"
    HOSTILE = "hostile"


# Ten calls of a tool in one era; a shorter walk takes the first of them.
ROUND: Final = (
    *(Kind.KNOWN, Kind.HOSTILE, Kind.BOUNDARY, Kind.HOSTILE, Kind.FITTING),
    *(Kind.KNOWN, Kind.HOSTILE, Kind.BOUNDARY, Kind.HOSTILE, Kind.KNOWN),
)


class Call(NamedTuple):
    """One call of the walk; `era` is a mode of the client."""

    number: int
    era: Era
    tool: str
    kind: Kind
    arguments: Arguments


def calls_of(tools: Mapping[str, Schema], *, count: int, seed: int) -> list[Call]:
    """Return about so many calls: of each tool as many as of any other, in both eras.

    Args:
        tools: input schemas by the tools' names.
        count: rounded up to as many for every tool in each era.
        seed: of what is in them and of their order.
    """
    per_era = max(1, -(-count // (len(tools) * len(ERAS))))
    kinds = list(itertools.islice(itertools.cycle(ROUND), per_era))
    made = [
        (era, tool, kind, arguments)
        for tool, schema in tools.items()
        for kind in Kind
        for era, arguments in zip(
            itertools.cycle(ERAS),
            _made(tool, kind, schema, count=kinds.count(kind), seed=f"{seed} {tool} {kind}"),
            strict=False,
        )
    ]
    random.Random(seed).shuffle(made)
    return [Call(number, *each) for number, each in enumerate(made)]


def turns_of(tools: Mapping[str, Schema]) -> list[Call]:
    """Return what a model would ask, in an order that leaves for later calls what they need.

    Each known call in both eras, and, in one era after the other, with every word of the closed
    lists in place of what it says.
    """
    made = [
        (era, tool, arguments)
        for tool, known in KNOWN.items()
        for eras, share in ((ERAS, known), (None, turned(tools[tool], known)))
        for arguments, next_era in zip(share, itertools.cycle(ERAS), strict=False)
        for era in eras or (next_era,)
    ]
    return [
        Call(number, era, tool, Kind.KNOWN, dict(arguments))
        for number, (era, tool, arguments) in enumerate(made)
    ]


def filled(arguments: Arguments, find: Callable[[str, int], str]) -> Arguments:
    """Return arguments with what `find` knows in place of each word in braces."""

    def fill(value: Any) -> Any:
        match value:
            case str() if (found := _WORD.fullmatch(value)) is not None:
                return find(found[1], int(found[2]))
            case list():
                return [fill(each) for each in value]
            case dict():
                return {name: fill(each) for name, each in value.items()}
            case _:
                return value

    return {name: fill(value) for name, value in arguments.items()}


def fitting(schema: Schema) -> SearchStrategy[Any]:
    """Return what makes values that a schema allows, for the schemas that our tools have.

    Raises:
        ValueError: the schema says more than this knows, so that nothing would test it.
    """
    said = dict(schema)
    if "enum" in said:
        return _all_of(st.sampled_from(said.pop("enum")), said)
    match said.pop("type", None):
        case "string":
            pattern = said.pop("pattern", None)
            text = st.text(max_size=_TEXT_LENGTH_MAX)
            return _all_of(st.from_regex(pattern, fullmatch=True) if pattern else text, said)
        case "integer":
            low, high = said.pop("minimum", None), said.pop("maximum", None)
            return _all_of(st.integers(low, high), said)
        case "boolean":
            return _all_of(st.booleans(), said)
        case "array":
            items = fitting(said.pop("items"))
            least, most = said.pop("minItems", 0), said.pop("maxItems", 5)
            return _all_of(st.lists(items, min_size=least, max_size=most), said)
        case "object":
            needed = frozenset(said.pop("required", ()))
            parts = {name: fitting(each) for name, each in said.pop("properties").items()}
            if said.pop("additionalProperties", True):
                raise ValueError("expected an object with no other members")
            made = st.fixed_dictionaries(
                {name: each for name, each in parts.items() if name in needed},
                optional={name: each for name, each in parts.items() if name not in needed},
            )
            return _all_of(made, said)
        case other:
            raise ValueError(f"expected a type that the walk knows, was {other}")


def _all_of(made: SearchStrategy[Any], left: Mapping[str, Any]) -> SearchStrategy[Any]:
    if unknown := left.keys() - _SHOWN_KEYS - {"type"}:
        raise ValueError(f"expected keywords that the walk knows, was {sorted(unknown)}")
    return made


# Calls of one kind for each era in turn; sensible ones are the same in every era.
def _made(tool: str, kind: Kind, schema: Schema, *, count: int, seed: str) -> Iterable[Arguments]:
    known = st.sampled_from(KNOWN[tool]).map(dict)
    match kind:
        case Kind.KNOWN:
            first, *others = KNOWN[tool]
            others += turned(schema, KNOWN[tool])
            random.Random(seed).shuffle(others)
            chosen = itertools.islice(itertools.cycle((first, *others)), count)
            return (dict(each) for each in chosen for _ in ERAS)
        case Kind.FITTING:
            strategy = _changed(tool, schema, known)
        case Kind.BOUNDARY:
            strategy = _on_an_edge(schema, known)
        case Kind.HOSTILE:
            strategy = _spoilt(schema, known)
    return _drawn(strategy, count * len(ERAS), seed)


# The examples of a strategy that hypothesis makes from a seed; short of distinct ones, again.
def _drawn(strategy: SearchStrategy[Arguments], count: int, seed: str) -> list[Arguments]:
    found: list[Arguments] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=max(count, 1),
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def take(arguments: Arguments) -> None:
        found.append(arguments)

    take()
    return list(itertools.islice(itertools.cycle(found), count))


# An account stands: else nearly every call would end there. So does what only an answer gives.
@st.composite
def _changed(
    draw: DrawFn, tool: str, schema: Schema, known: SearchStrategy[Arguments]
) -> Arguments:
    arguments = draw(known)
    names = [name for name in schema["properties"] if name not in _STANDING]
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=2)) if names else ():
        arguments[name] = draw(_legal(tool, name, schema["properties"][name]))
    return arguments


def _legal(tool: str, name: str, schema: Schema) -> SearchStrategy[Any]:
    sensible = SENSIBLE.get(f"{tool}.{name}", SENSIBLE.get(name, ()))
    if not sensible:
        return fitting(schema)
    # Of five one is whatever else the schema allows.
    chosen = st.sampled_from(sensible)
    return st.one_of(chosen, chosen, chosen, chosen, fitting(schema))


@st.composite
def _on_an_edge(draw: DrawFn, schema: Schema, known: SearchStrategy[Arguments]) -> Arguments:
    arguments = draw(known)
    names = [name for name in schema["properties"] if name != "account"]
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=2)) if names else ():
        arguments[name] = draw(st.sampled_from(_edges(name, schema["properties"][name])))
    return arguments


def _edges(name: str, schema: Schema) -> Sequence[Any]:
    if name in EDGES:
        return EDGES[name]
    match schema.get("type"):
        case "integer":
            low, high = schema.get("minimum", 1), schema.get("maximum", 300)
            return (low, high, low - 1, high + 1, -1, 2**31, 2**63, 10**30)
        case "boolean":
            return (True, False)
        case "array":
            most = schema.get("maxItems", 50)
            item = schema["items"]
            each = "AAPL" if item.get("type") == "string" else {}
            return ([], [each], [each] * most, [each] * (most + 1), [each] * 250)
        case "string":
            return tuple(("A." * length)[:length] for length in TEXT_LENGTHS)
        case _:
            words = schema["enum"]
            return (words[0], words[-1], words[0].upper(), f" {words[0]}", "")


@st.composite
def _spoilt(draw: DrawFn, schema: Schema, known: SearchStrategy[Arguments]) -> Arguments:
    arguments = draw(known)
    chosen = st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=_MUTATIONS_MAX)
    for mutate in draw(chosen):
        mutate(draw, schema, arguments)
    return arguments


def _put(values: Sequence[Any]) -> Mutation:
    def mutate(draw: DrawFn, schema: Schema, arguments: Arguments) -> None:
        names = list(schema["properties"]) or ["account"]
        arguments[draw(st.sampled_from(names))] = draw(st.sampled_from(values))

    return mutate


def _strange_text(draw: DrawFn, schema: Schema, arguments: Arguments) -> None:
    names = list(schema["properties"]) or ["account"]
    made = st.one_of(st.sampled_from(STRANGE), st.text(max_size=_TEXT_LENGTH_MAX))
    arguments[draw(st.sampled_from(names))] = draw(made)


def _absent(draw: DrawFn, schema: Schema, arguments: Arguments) -> None:
    if arguments:
        del arguments[draw(st.sampled_from(sorted(arguments)))]


def _extra(draw: DrawFn, schema: Schema, arguments: Arguments) -> None:
    name = draw(st.one_of(st.sampled_from(EXTRAS), st.text(max_size=_TEXT_LENGTH_MAX)))
    arguments[name] = draw(st.sampled_from(("1", True, "live", ["x"])))


# Numbers as text, lists and objects as JSON text, and text that is a number as a number.
def _other_form(draw: DrawFn, schema: Schema, arguments: Arguments) -> None:
    if not arguments:
        return
    name = draw(st.sampled_from(sorted(arguments)))
    value = arguments[name]
    if not isinstance(value, str):
        arguments[name] = json.dumps(value)
    elif re.fullmatch(r"\d{1,9}(\.\d{1,4})?", value):
        arguments[name] = float(value)
    else:
        arguments[name] = [value]


MUTATIONS: Final[tuple[Mutation, ...]] = (
    _put(ODD),
    _put(HUGE),
    _put(FOREIGN),
    _strange_text,
    _absent,
    _extra,
    _other_form,
)
