"""`Keyed` behaves like a dict that is never changed."""

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.keyed import Keyed

_STEPS = st.lists(
    st.tuples(st.text("abcdef", max_size=2), st.one_of(st.none(), st.integers())), max_size=60
)


@given(_STEPS)
def test_keyed_behaves_like_a_dict(steps: list[tuple[str, int | None]]) -> None:
    made: Keyed[int] = Keyed()
    plain: dict[str, int] = {}
    for key, value in steps:
        if value is None:
            made = made.without(key)
            plain.pop(key, None)
        else:
            made = made.put(key, value)
            plain[key] = value
        assert len(made) == len(plain)
        assert (key in made, made.get(key)) == (key in plain, plain.get(key))
    assert sorted(made.values()) == sorted(plain.values())
    assert {key: made[key] for key in plain} == plain


@given(_STEPS, st.randoms(use_true_random=False))
def test_equal_content_is_equal_however_it_came_about(
    steps: list[tuple[str, int | None]], random: object
) -> None:
    content = {key: value for key, value in steps if value is not None}
    forward: Keyed[int] = Keyed()
    backward: Keyed[int] = Keyed()
    for key, value in content.items():
        forward = forward.put(key, value)
    for key, value in reversed(content.items()):
        backward = backward.put(key, value)
    assert forward == backward


def test_older_maps_never_change() -> None:
    empty: Keyed[int] = Keyed()
    one = empty.put("a", 1)
    two = one.put("a", 2).put("b", 3)
    assert (len(empty), one["a"], "b" in one, two["a"]) == (0, 1, False, 2)
    assert two.without("a").get("a") is None
    assert two["a"] == 2


def test_missing_key_is_a_key_error_and_taking_it_away_changes_nothing() -> None:
    made = Keyed[int]().put("a", 1)
    with pytest.raises(KeyError):
        made["b"]
    assert made.without("b") is made


def test_keys_of_one_bucket_stay_apart() -> None:
    first = "k0"
    index = crc32(first.encode()) % 256
    second = next(k for i in range(1, 9999) if crc32((k := f"k{i}").encode()) % 256 == index)
    made = Keyed[int]().put(first, 1).put(second, 2)
    assert (made[first], made[second], len(made)) == (1, 2, 2)
    assert made.without(first).get(second) == 2


def test_keyed_is_not_hashable_and_equals_no_dict() -> None:
    made = Keyed[int]().put("a", 1)
    with pytest.raises(TypeError):
        hash(made)
    assert made != {"a": 1}
