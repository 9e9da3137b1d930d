"""Puts the simulation's threads and clocks under the service's modules while it runs."""

import logging
import queue
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

import structlog

# Imported for their effect: they are what is looked through below.
import adapters.tiger_worker.account
import adapters.tiger_worker.lease
import adapters.tiger_worker.login
import adapters.tiger_worker.push  # noqa: F401
import infra.ledger.append
import infra.ledger.desk_ledger
import infra.ledger.request
import infra.nats.lease_store  # noqa: F401
from tests.simulation import primitives
from tests.simulation.worker_process import JournalTwin

_BY_IDENTITY: Final[tuple[tuple[object, object], ...]] = (
    (threading, primitives.ThreadingModule),
    (time, primitives.TimeModule),
    (queue, primitives.QueueModule),
    (ThreadPoolExecutor, primitives.ThreadPoolExecutor),
)
_BY_NAME: Final = (
    ("infra.ledger.append", "asyncio", primitives.AsyncioModule),
    ("infra.ledger.request", "asyncio", primitives.AsyncioModule),
    ("infra.nats.lease_store", "asyncio", primitives.AsyncioModule),
    ("adapters.tiger_worker.watchdog", "os", primitives.OsModule),
    # Looking about costs the simulation more than anything else; these only say how often.
    ("adapters.tiger_worker.desk_thread", "PARKED_LOOK_S", 2.0),
    ("adapters.tiger_worker.watchdog", "_LOOK_S", 2.0),
    ("adapters.tiger_worker.file_halt", "_LOOK_S", 2.0),
    ("adapters.tiger_worker.account", "CancelJournal", JournalTwin),
    # So that a listing has more than one page.
    ("adapters.tiger_worker.broker", "PAGE_ROWS", 3),
    ("adapters.tiger_worker.windows", "WIDE_ROWS", 3),
)


@contextmanager
def stand_ins() -> Iterator[None]:
    """Replace threads and clocks in every module of the worker, and quieten its log."""
    undo: list[tuple[ModuleType, str, Any]] = []

    def put(module: ModuleType, name: str, value: object) -> None:
        undo.append((module, name, getattr(module, name)))
        setattr(module, name, value)

    for module in _modules():
        for name, value in list(vars(module).items()):
            for real, stand_in in _BY_IDENTITY:
                if value is real:
                    put(module, name, stand_in)
    for module_name, name, stand_in in _BY_NAME:
        put(sys.modules[module_name], name, stand_in)
    old = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**old)
        for module, name, value in reversed(undo):
            setattr(module, name, value)


def _modules() -> list[ModuleType]:
    return [
        module
        for name, module in sorted(sys.modules.items())
        if name.startswith("adapters.tiger_worker.") and not name.endswith("__main__")
    ]
