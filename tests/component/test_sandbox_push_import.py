"""What the push side costs a sandbox process: the published messages, and not the SDK's rest."""

import subprocess
import sys

PROGRAM = """
import sys
import infra.sandbox.service
print(sorted({"pandas", "numpy", "tigeropen.push.push_client"} & set(sys.modules)))
"""


def test_sandbox_process_loads_the_published_messages_only() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, check=True, text=True, timeout=30
    )
    assert done.stdout == "[]\n"
