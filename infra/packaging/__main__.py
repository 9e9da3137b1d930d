"""`python -m infra.packaging [FOLDER]`: write the `.mcpb` bundle of this tree, into `dist`."""

import argparse
import hashlib
import sys
from pathlib import Path

from infra.packaging.bundle import PackagingError, build_bundle

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Build, and say where it is and what its SHA-256 is, as a registry asks for it."""
    parser = argparse.ArgumentParser(description="Build the .mcpb bundle.")
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "dist")
    try:
        bundle = build_bundle(ROOT, parser.parse_args().folder)
    except PackagingError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
    sys.stdout.write(f"{bundle}\nsha256 {digest}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
