"""The errors of the service: the class says whose fault it is and what to do next.

A refused order is not an error but an event; see `core.desk`.
"""


class ServiceError(Exception):
    """Root of every error that this service raises on purpose."""


class CommandError(ServiceError):
    """The caller's fault; never retried.

    Attributes:
        field: the argument that was wrong, in the caller's words.
        code: one of the closed list `core.refusals.Refusal`, where one applies.
    """

    def __init__(self, message: str, *, field: str, code: str = "invalid_argument") -> None:
        super().__init__(message)
        self.field = field
        self.code = code


class BrokerError(ServiceError):
    """The broker, or the way to it, is the cause."""


class BrokerUnavailableError(BrokerError):
    """A reading did not come back whole; it says nothing about what the broker has."""


class VersionConflictError(ServiceError):
    """Another writer owns the account's line of events; the login stops."""


class AppendUnknownError(ServiceError):
    """The ledger did not answer within the limit; the event may or may not be stored."""


class CorruptRecordError(ServiceError):
    """Bytes do not decode: stored ones stop their reader, the broker's are read again."""


class LinkError(ServiceError):
    """NATS cannot be reached, or refused; nothing is known of what was asked."""


class ConfigError(ServiceError):
    """A setting is missing or wrong; the process does not start."""


class StoppedError(ConfigError):
    """A person took the cluster down: it stays down until a person starts it."""
