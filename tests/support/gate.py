"""A gate before a worker's send: it stands there until the test opens it (`TEST_GATE`)."""

import asyncio
import os
from pathlib import Path

from tests.support.rig import START_S


def make_gate(folder: Path) -> Path:
    """Return a gate that is shut."""
    path = folder / "gate"
    os.mkfifo(path)
    return path


async def open_gate(gate: Path) -> None:
    """Wait until a send stands at the gate, and let it pass."""
    async with asyncio.timeout(START_S):
        await asyncio.to_thread(gate.write_bytes, b"")
