"""The lease of a login as another machine's worker would hold it."""

from typing import Final

from core.lease import LeaseRecord

THEIRS: Final = LeaseRecord(
    holder="holder-theirs",
    domain="domain-theirs",
    host="elsewhere",
    lease_s=10.0,
    late_s=24.0,
    renewals=7,
)
