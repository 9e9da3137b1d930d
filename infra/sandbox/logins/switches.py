"""What the control API can switch about logins: limits, rights and lives of tokens."""

from typing import Literal

import msgspec

DAY_S = 86_400
# Tiger's rate page says code 4, its error table HTTP 429 with code 5.
# Source: docs.itigerup.com, pages ratelimit and error-code (read 2026-11-22).
RateAnswers = Literal["off", "code_4", "http_429"]
# Who has the quote right of a tiger_id: the device that last asked for a quote, or the one that
# last grabbed it, as at Tiger.
QuoteHolders = Literal["last_asker", "last_grabber"]


class LoginSwitches(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The switches with their defaults."""

    rate_answers: RateAnswers = "off"
    # Of place and modify together, per account; 5 at Tiger for some. None: no such limit.
    orders_per_s_max: int | None = None
    # So many refused requests within a minute put a tiger_id on the black list, until this is
    # none again. None: no black list.
    refusals_per_minute_max: int | None = None
    quote_holders: QuoteHolders = "last_asker"
    # Addresses that may call; empty: all.
    ip_white_list: tuple[str, ...] = ()
    user_token_life_s: int = 30 * DAY_S
    # Whether a refresh ends the older user tokens at once, or lets them live out.
    refresh_ends_older_tokens: bool = False
    access_token_life_s: int = 3600
    grant_life_s: int = 15 * DAY_S  # how long an authorization can be refreshed
    device_code_life_s: int = 600
    # Unit: seconds between two polls. None: not told, as at Tiger, and then 5 by the standard.
    device_poll_interval_s: int | None = None

    def __post_init__(self) -> None:
        limits = {
            "orders_per_s_max": self.orders_per_s_max,
            "refusals_per_minute_max": self.refusals_per_minute_max,
            "user_token_life_s": self.user_token_life_s,
            "access_token_life_s": self.access_token_life_s,
            "grant_life_s": self.grant_life_s,
            "device_code_life_s": self.device_code_life_s,
            "device_poll_interval_s": self.device_poll_interval_s,
        }
        for name, value in limits.items():
            if value is not None and not 1 <= value <= 3650 * DAY_S:
                raise ValueError(f"expected {name} of at least 1, was {value}")
