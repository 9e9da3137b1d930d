"""What is published says the same everywhere, and what the two formats ask for."""

import json
import posixpath
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from infra.config import NAMES
from infra.packaging.bundle import (
    PackagingError,
    build_bundle,
    contents,
    locked,
    project_of,
    project_text,
    read_manifest,
)

ROOT = Path(__file__).parents[2]


def server_json() -> dict[str, Any]:
    body: dict[str, Any] = json.loads((ROOT / "server.json").read_bytes())
    return body


def test_version_is_the_same_in_project_manifest_and_server_json() -> None:
    said = server_json()
    versions = {project_of(ROOT)["version"], read_manifest(ROOT)["version"], said["version"]}
    versions |= {package["version"] for package in said["packages"]}
    assert len(versions) == 1


def test_name_description_and_licence_are_the_same() -> None:
    project, manifest, said = project_of(ROOT), read_manifest(ROOT), server_json()
    assert project["name"] == manifest["name"] == said["name"].partition("/")[2]
    assert said["packages"][0]["identifier"] == project["name"]
    assert manifest["license"] == project["license"]
    assert manifest["description"] == said["description"]


def test_server_json_is_of_the_registrys_form() -> None:
    # Source: the registry's schema 2025-12-11 (read 2026-11-23).
    said = server_json()
    assert said["$schema"].endswith("/2025-12-11/server.schema.json")
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", said["name"])
    assert 1 <= len(said["description"]) <= 100
    assert 1 <= len(said["title"]) <= 100
    assert set(said) == {"$schema", "name", "title", "description", "version", "packages"}
    (package,) = said["packages"]
    assert {"registryType", "identifier", "transport"} <= set(package)
    assert package["transport"] == {"type": "stdio"}
    assert not re.search(r"[\^~*<>=]", package["version"])


def test_only_settings_that_exist_are_offered_and_none_is_a_secret() -> None:
    (package,) = server_json()["packages"]
    offered = package["environmentVariables"]
    assert {each["name"] for each in offered} <= set(NAMES)
    assert not any(each.get("isSecret") for each in offered)


def test_manifest_is_of_the_bundle_form_and_asks_for_no_secret() -> None:
    # Source: MCPB manifest 0.4 (read 2026-11-23).
    manifest = read_manifest(ROOT)
    assert manifest["manifest_version"] == "0.4"
    assert {"name", "version", "description", "author", "server"} <= set(manifest)
    assert manifest["server"]["type"] == "uv"
    assert set(manifest["compatibility"]["platforms"]) == {"darwin", "linux", "win32"}
    assert manifest["compatibility"]["runtimes"]["python"] == project_of(ROOT)["requires-python"]
    assert "user_config" not in manifest


def test_entry_point_of_the_manifest_is_in_the_bundle() -> None:
    names = [name for name, _ in contents(ROOT)]
    assert names[0] == "manifest.json"
    server = read_manifest(ROOT)["server"]
    assert server["entry_point"] in names
    assert server["mcp_config"]["args"][-1] == server["entry_point"]
    assert not [name for name in names if name.startswith("tests/") or name.endswith(".pyc")]


def test_what_the_bundles_pages_link_to_is_in_the_bundle() -> None:
    bodies = dict(contents(ROOT))
    linked = {
        (name, posixpath.normpath(posixpath.join(posixpath.dirname(name), target)))
        for name, body in bodies.items()
        if name.endswith(".md")
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", body.decode())
        if "://" not in target
    }
    assert ("README.md", "docs/install.md") in linked
    assert [
        each
        for each in sorted(linked)
        if not any(name == each[1] or name.startswith(f"{each[1]}/") for name in bodies)
    ] == []


def test_project_of_the_bundle_pins_what_runs_and_brings_no_developers_packages() -> None:
    project = tomllib.loads(project_text(ROOT))
    assert project["project"] == project_of(ROOT)
    assert "dependency-groups" not in project
    pins = {pin.split("==")[0] for pin in project["tool"]["uv"]["constraint-dependencies"]}
    needed = {re.split(r"[<>=\[]", each)[0] for each in project["project"]["dependencies"]}
    assert needed <= pins
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    assert len(locked(ROOT)) == sum("==" in line for line in lock if line[:1].isalnum())


def test_bundle_of_another_version_than_the_project_is_refused(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "infra/packaging/manifest.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    text = (tmp_path / "pyproject.toml").read_text()
    version = project_of(ROOT)["version"]
    (tmp_path / "pyproject.toml").write_text(
        text.replace(f'version = "{version}"', 'version = "9"')
    )
    with pytest.raises(PackagingError, match="expected version 9"):
        build_bundle(tmp_path, tmp_path / "dist")
    assert not (tmp_path / "dist").exists()
