"""Whose money an account moves and what a model may do on it.

A module of its own, because commands and events name it.
"""

from enum import StrEnum


class Environment(StrEnum):
    """To which world an account is bound, for ever."""

    SANDBOX = "sandbox"
    PAPER = "paper"
    LIVE = "live"


class Mode(StrEnum):
    """What a model may do on an account; set by a person only."""

    READ_ONLY = "read_only"
    AUTO = "auto"
