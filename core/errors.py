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


class BrokerRejectedError(BrokerError):
    """A definite no from the closed list: nothing was done.

    Attributes:
        code: the broker's number for it.
        reason: our wording of it.
    """

    def __init__(self, *, code: int, reason: str) -> None:
        super().__init__(f"the broker refused (code {code}): {reason}")
        self.code = code
        self.reason = reason


class BrokerUnavailableError(BrokerError):
    """Certainly not sent: no connection was made."""


class BrokerOutcomeUnknownError(BrokerError):
    """It may have been executed: reconcile, never send again."""


class VersionConflictError(ServiceError):
    """Another writer owns the account's line of events; the login stops."""


class AppendUnknownError(ServiceError):
    """The ledger did not answer within the limit; the event may or may not be stored."""


class CorruptRecordError(ServiceError):
    """Stored bytes do not decode, or their chain has a gap; stop and alert."""


class LinkError(ServiceError):
    """NATS cannot be reached, or refused; nothing is known of what was asked."""


class ConfigError(ServiceError):
    """A setting is missing or wrong; the process does not start."""
