"""The system's zone, by whatever names it."""

from pathlib import Path

from infra.system_zone import is_zone, system_zone


def test_the_link_to_a_zones_file_names_the_zone(tmp_path: Path) -> None:
    file = tmp_path / "zoneinfo" / "Europe" / "Berlin"
    file.parent.mkdir(parents=True)
    file.touch()
    link = tmp_path / "localtime"
    link.symlink_to(file)
    assert system_zone(link=link, named=tmp_path / "none") == "Europe/Berlin"


def test_a_file_with_the_name_stands_in_for_the_link(tmp_path: Path) -> None:
    named = tmp_path / "timezone"
    named.write_text("Asia/Singapore\n")
    assert system_zone(link=tmp_path / "none", named=named) == "Asia/Singapore"


def test_without_a_readable_name_it_is_utc(tmp_path: Path) -> None:
    named = tmp_path / "timezone"
    assert system_zone(link=tmp_path / "none", named=named) == "UTC"
    for content in (b"Mars/Base", b"", b"\xff\xfe", b"../../etc/passwd"):
        named.write_bytes(content)
        assert system_zone(link=tmp_path / "none", named=named) == "UTC", content


def test_only_names_of_zones_are_zones() -> None:
    assert is_zone("Europe/Berlin")
    for name in ("", "Mars/Base", "/etc/passwd", "../x", "a\0b"):
        assert not is_zone(name), name
