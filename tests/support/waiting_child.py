"""A child of the supervisor that takes its time, and says so as often as it is told to.

`python -P -m tests.support.waiting_child WORDS GAP_S ENDING`: says WORDS times, GAP_S apart, that
it waits for NATS; then that it is ready (ENDING `ready`), and that a desk of it stands still and
turns again (`stuck`), or nothing any more (`mute`).
"""

import sys
import threading
from typing import Final

from adapters.tiger_worker.login import AWAITED, say

READY: Final = "ready"
STUCK: Final = "stuck"
STOOD_S: Final = 42.0


def main() -> None:
    """Speak, then stay until told to end."""
    words, gap_s, ending = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    told_to_end = threading.Event()
    for _ in range(words):
        say(AWAITED, waits_for="nats")
        told_to_end.wait(gap_s)
    stood: list[dict[str, float]] = []
    if ending == READY:
        stood = [{}]
    if ending == STUCK:
        stood = [{}, {"sandbox": STOOD_S}, {}]
    for stuck in stood:
        say("", is_ready=True, stuck=stuck)
    told_to_end.wait()


if __name__ == "__main__":
    main()
