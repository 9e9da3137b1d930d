"""The last step of a frame of data: a push fault may have its way with it, then it is queued."""

import asyncio

from tigeropen.push.pb.PushData_pb2 import PushData
from tigeropen.push.pb.SocketCommon_pb2 import SocketCommon

from infra.sandbox.clock import Sleep
from infra.sandbox.push.connection import Connection
from infra.sandbox.push.faults import (
    DelayFrames,
    DropFrames,
    DuplicateFrames,
    FrameEffect,
    PushFaultTable,
    ReorderFrames,
)
from infra.sandbox.push.frames import data_frame
from infra.sandbox.push.session import Session

Late = tuple[Connection, bytes]


class Delivery:
    """Queues frames of data at connections, through the faults in force."""

    def __init__(self, *, faults: PushFaultTable, sleep: Sleep) -> None:
        self._faults = faults
        self._sleep = sleep
        self._held: dict[int, list[Late]] = {}  # by fault
        self._delayed: set[asyncio.Task[None]] = set()

    @property
    def held_count(self) -> int:
        """How many frames wait for others, to be sent in reverse."""
        return sum(len(frames) for frames in self._held.values())

    def deliver(self, session: Session, message: PushData, *, account: str = "") -> None:
        """Queue a message for a session, or let it meet its fault."""
        late = session.connection, data_frame(message)
        fault = self._faults.meet_frame(
            tiger_id=session.login.tiger_id,
            kind=SocketCommon.DataType.Name(message.dataType),
            account=account,
        )
        if fault is None:
            session.connection.send(late[1])
        else:
            self._apply(fault.fault_id, fault.effect, late)

    def release(self) -> int:
        """Send the frames that wait for others, last first, and return how many there were."""
        count = self.held_count
        for fault_id in tuple(self._held):
            self._send_reversed(fault_id)
        return count

    async def close(self) -> None:
        """Forget the frames that are late."""
        tasks = tuple(self._delayed)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _apply(self, fault_id: int, effect: FrameEffect, late: Late) -> None:
        connection, frame = late
        match effect:
            case DropFrames():
                pass
            case DuplicateFrames(copies=copies):
                for _ in range(1 + copies):
                    connection.send(frame)
            case ReorderFrames(size=size):
                held = self._held.setdefault(fault_id, [])
                held.append(late)
                if len(held) == size:
                    self._send_reversed(fault_id)
            case DelayFrames(delay_s=delay_s):
                task = asyncio.get_running_loop().create_task(self._send_late(late, delay_s))
                self._delayed.add(task)
                task.add_done_callback(self._delayed.discard)

    def _send_reversed(self, fault_id: int) -> None:
        for connection, frame in reversed(self._held.pop(fault_id)):
            connection.send(frame)

    async def _send_late(self, late: Late, delay_s: float) -> None:
        await self._sleep(delay_s)
        connection, frame = late
        connection.send(frame)
