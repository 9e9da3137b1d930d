"""The logs of the processes: one file each, put aside at a start when it has grown too long."""

from pathlib import Path
from typing import Final

LOG_BYTES_MAX: Final = 10 << 20


def rotate(path: Path) -> None:
    """Put a log that has grown too long aside; one old log is kept."""
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_name(f"{path.name}.1"))
