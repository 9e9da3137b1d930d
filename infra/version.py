"""The version of this code, which is stored with every event."""

from importlib import metadata
from typing import Final

DISTRIBUTION: Final = "tiger-mcp"


def code_version() -> str:
    """Return the installed version; `0+source` for a tree that is run without being installed."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0+source"
