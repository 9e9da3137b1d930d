"""Tiger's page tokens: a place in a list, bound to the other parameters of the first call."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from infra.sandbox.wire.envelope import business_error

Item = TypeVar("Item")
PlaceKey = tuple[int, int]  # (milliseconds, id): newest first


class PageToken(msgspec.Struct, frozen=True, array_like=True):
    """Where the next page begins: after this key, for these parameters."""

    fingerprint: str
    after: PlaceKey


def page_of(
    items: Sequence[Item],
    *,
    key: Callable[[Item], PlaceKey],
    limit: int,
    token: str | None,
    business: bytes,
) -> tuple[list[Item], str]:
    """Return one page, newest first, and the token of the next (empty after the last).

    Raises:
        GatewayError: 1010, if the token is not one of ours or other parameters came with it.
    """
    fingerprint = _fingerprint(business)
    ordered = sorted(items, key=key, reverse=True)
    if token:
        after = _after(token, fingerprint)
        ordered = [item for item in ordered if key(item) < after]
    page = ordered[:limit]
    if len(ordered) <= limit:
        return page, ""
    next_token = PageToken(fingerprint, key(page[-1]))
    return page, base64.urlsafe_b64encode(msgspec.json.encode(next_token)).decode()


def _after(token: str, fingerprint: str) -> PlaceKey:
    try:
        place = msgspec.json.decode(base64.urlsafe_b64decode(token), type=PageToken)
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        raise business_error("invalid 'page_token'") from None
    if place.fingerprint != fingerprint:
        raise business_error("parameters can not be changed when using 'page_token'")
    return place.after


def _fingerprint(business: bytes) -> str:
    parameters = msgspec.json.decode(business, type=dict[str, Any])
    parameters.pop("page_token", None)
    text = msgspec.json.encode(parameters, order="sorted")
    return hashlib.blake2b(text, digest_size=8).hexdigest()
