"""`python -m tests.conformance`: judge every server and write the table into the document."""

import tempfile
from pathlib import Path

from tests.conformance.node_tools import installed
from tests.conformance.results import REVISIONS, judged, table, write
from tests.conformance.services import Build, cluster_on, running


def main() -> None:
    """Run everything once."""
    tools = installed()
    required = {revision: tools.required(revision) for revision in REVISIONS}
    runs = {}
    with tempfile.TemporaryDirectory() as scratch, cluster_on(Path(scratch) / "home") as home:
        for build in Build:
            with running(build, home) as service:
                for revision in REVISIONS:
                    folder = Path(scratch) / f"{build}-{revision}"
                    run = judged(tools, build, service, revision, folder=folder)
                    runs[build, revision] = run
    write(table(runs, required))


if __name__ == "__main__":
    main()
