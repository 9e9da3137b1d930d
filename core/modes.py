"""What a model may do on an account; a module of its own, because commands and events name it."""

from enum import StrEnum


class Mode(StrEnum):
    """What a model may do on an account; set by a person only."""

    READ_ONLY = "read_only"
    AUTO = "auto"
