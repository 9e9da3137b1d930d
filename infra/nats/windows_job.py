"""Windows only: a child that the system ends when this process ends, however it ends.

There a lock belongs to a process and cannot be inherited, so instead of the server outliving its
supervisor with the lock, it never outlives it. The handle of the job is kept open, unused, until
this process dies; closing the last handle ends the child.

Source: Microsoft, "Job Objects", `JOBOBJECT_EXTENDED_LIMIT_INFORMATION` (winnt.h).
"""

import ctypes
import subprocess
import sys
from typing import Final

_EXTENDED_LIMIT_INFORMATION: Final = 9
_LIMIT_KILL_ON_JOB_CLOSE: Final = 0x2000


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("per_process_user_time", ctypes.c_int64),
        ("per_job_user_time", ctypes.c_int64),
        ("limit_flags", ctypes.c_uint32),
        ("working_set_min", ctypes.c_size_t),
        ("working_set_max", ctypes.c_size_t),
        ("active_processes_max", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority_class", ctypes.c_uint32),
        ("scheduling_class", ctypes.c_uint32),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("basic", _BasicLimits),
        ("io_counters", ctypes.c_uint64 * 6),
        ("process_memory_max", ctypes.c_size_t),
        ("job_memory_max", ctypes.c_size_t),
        ("process_memory_peak", ctypes.c_size_t),
        ("job_memory_peak", ctypes.c_size_t),
    )


if sys.platform == "win32":

    def end_with_this_process(child: subprocess.Popen[bytes]) -> None:
        """Put a child into a job that ends with this process.

        Raises:
            OSError: when the system refuses; the child is ended first.
        """
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.CreateJobObjectW.restype = ctypes.c_void_p
        job = ctypes.c_void_p(kernel.CreateJobObjectW(None, None))
        limits = _ExtendedLimits()
        limits.basic.limit_flags = _LIMIT_KILL_ON_JOB_CLOSE
        is_set = kernel.SetInformationJobObject(
            job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
        )
        handle = ctypes.c_void_p(int(child._handle))
        if not is_set or not kernel.AssignProcessToJobObject(job, handle):
            error = ctypes.WinError(ctypes.get_last_error())
            child.kill()
            raise error
