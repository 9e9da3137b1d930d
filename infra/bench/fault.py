"""Why a row has no figures: something failed, or it may not run here."""


class BenchError(Exception):
    """A row could not be measured; the text is shown beside it."""


class RefusedError(Exception):
    """A row must not run on this machine; the text says what it needs."""
