"""The `.mcpb` bundle: a zip of manifest, project file and sources, the same bytes every time.

Its type is `uv`: the client installs the pinned packages for its own platform, because compiled
ones cannot be carried for all.

Source: MCPB manifest 0.4 (modelcontextprotocol/mcpb, MANIFEST.md and its JSON schema, read
2026-11-23).
"""

import json
import re
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = ("core", "adapters", "projections", "infra")
MANIFEST: Final = "manifest.json"
ENTRY: Final = "server/main.py"
PROJECT: Final = "pyproject.toml"
LOCK: Final = "requirements.lock"
# What the project file names, and what README and the pages under `docs` link to: the bundle has
# to say all by itself.
_BESIDE: Final = ("README.md", "LICENSE", "ARCHITECTURE.md", "CHANGELOG.md", ".env.example")
_PAGES: Final = "docs"
# The earliest a zip can say; the same every time.
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
_FILE_MODE: Final = 0o644
_UNIX: Final = 3
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+==[^\s;\\]+)\s*(;[^\\]*)?\\?$")


class PackagingError(Exception):
    """The bundle cannot be made; the text says why."""


def build_bundle(root: Path, folder: Path) -> Path:
    """Write the bundle of a source tree into a folder, and return its path.

    Raises:
        PackagingError: manifest and project file do not say the same version.
    """
    manifest = read_manifest(root)
    version = project_of(root)["version"]
    if manifest["version"] != version:
        raise PackagingError(
            f"expected version {version} of {PROJECT} in {MANIFEST}, was {manifest['version']}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{manifest['name']}-{version}.mcpb"
    draft = target.with_name(target.name + ".new")
    with zipfile.ZipFile(draft, "w") as archive:
        for name, body in contents(root):
            archive.writestr(
                _entry(name), body, compress_type=zipfile.ZIP_DEFLATED, compresslevel=9
            )
    draft.replace(target)
    return target


def contents(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and body of every file of the bundle: the manifest first, then by name."""
    packaging = root / "infra" / "packaging"
    yield MANIFEST, (packaging / MANIFEST).read_bytes()
    files = {
        ENTRY: (packaging / "main.py").read_bytes(),
        PROJECT: project_text(root).encode(),
        **{name: (root / name).read_bytes() for name in _BESIDE},
        **{
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in (root / _PAGES).rglob("*.md")
        },
        **{
            path.relative_to(root).as_posix(): path.read_bytes()
            for package in PACKAGES
            for path in (root / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        },
    }
    yield from sorted(files.items())


def read_manifest(root: Path) -> dict[str, Any]:
    """Return the manifest as it stands in the tree."""
    body: dict[str, Any] = json.loads((root / "infra" / "packaging" / MANIFEST).read_bytes())
    return body


def project_of(root: Path) -> dict[str, Any]:
    """Return the `project` table of the project file."""
    table: dict[str, Any] = tomllib.loads((root / PROJECT).read_text(encoding="utf-8"))["project"]
    return table


def project_text(root: Path) -> str:
    """Return the bundle's project file: what builds and runs, at the versions that the lock pins.

    The developers' own packages and settings are left out, because `uv run` would install them.
    """
    parts = re.split(r"(?m)^(?=\[)", (root / PROJECT).read_text(encoding="utf-8"))
    kept = [part for part in parts if re.match(r"\[(build-system|project|tool\.hatch)\b", part)]
    pins = "".join(f"    {json.dumps(pin)},\n" for pin in locked(root))
    return "".join(kept).rstrip() + f"\n\n[tool.uv]\nconstraint-dependencies = [\n{pins}]\n"


def locked(root: Path) -> list[str]:
    """Return each pin of the lock, with its marker."""
    lines = (root / LOCK).read_text(encoding="utf-8").splitlines()
    found = [_PIN.match(line.strip()) for line in lines if not line.startswith((" ", "#"))]
    return [f"{pin[1]} {pin[2].strip()}" if pin[2] else pin[1] for pin in found if pin]


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _MOMENT)
    entry.create_system = _UNIX
    entry.external_attr = _FILE_MODE << 16
    return entry
