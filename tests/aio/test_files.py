from __future__ import annotations

import os
from pathlib import Path

import pytest

from ermon.aio.files import beside, open_file, read_if_new, replace_file


def test_a_file_is_replaced_and_other_users_cannot_read_it(tmp_path: Path):
    file = tmp_path / "list.json"
    file.write_bytes(b"old")
    file.chmod(0o666)
    replace_file(file, b"new")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [file]


def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path):
    before = os.umask(0o077)
    try:
        replace_file(tmp_path / "ermon.yml", b"", mode=0o640)
    finally:
        os.umask(before)
    assert (tmp_path / "ermon.yml").stat().st_mode & 0o777 == 0o640


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "list.json"
    replace_file(file, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_the_data_is_on_disk_before_the_file_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    done: list[str] = []
    sync, rename = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        done.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)
        sync(descriptor)

    def renamed(path: Path, to: Path) -> Path:
        done.append("rename")
        return rename(path, to)

    monkeypatch.setattr("os.fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    replace_file(tmp_path / "a", b"")
    first, *then = done
    assert first.startswith(".a.")
    assert then == ["rename", tmp_path.name]
    done.clear()
    replace_file(tmp_path / "b", b"", durable=False)
    assert done == ["rename"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path):
    (tmp_path / "elsewhere").write_bytes(b"mine")
    (tmp_path / "file").symlink_to(tmp_path / "elsewhere")
    replace_file(tmp_path / "file", b"new")
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "elsewhere").read_bytes() == b"mine"


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path):
    with beside(tmp_path / "file", b"one") as one, beside(tmp_path / "file", b"two") as two:
        assert (one.read_bytes(), two.read_bytes()) == (b"one", b"two")
        one.replace(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_long_name_is_no_obstacle(tmp_path: Path):
    replace_file(tmp_path / ("x" * 255), b"new")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_pipe_or_a_device_is_refused_at_once(tmp_path: Path):
    """A reader who opened the pipe would wait permanently, because there is no writer."""
    os.mkfifo(tmp_path / "pipe")
    for path, what in (tmp_path / "pipe", "it is a pipe"), (Path("/dev/zero"), "it is a device"):
        with pytest.raises(OSError, match=what):
            open_file(path)
    with pytest.raises(IsADirectoryError):
        open_file(tmp_path)
    (tmp_path / "file").write_bytes(b"content")
    with open_file(tmp_path / "file") as file:
        assert file.read() == b"content"


def test_a_file_that_others_write_is_read_once_for_each_edition(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_bytes(b"first")
    os.utime(path, (1_000.0, 1_000.0))
    first, content = read_if_new(path, None, 10)
    assert (first.written, content) == (1_000.0, b"first")
    assert read_if_new(path, first, 10) == (first, None)
    replace_file(path, b"other")
    os.utime(path, (1_000.0, 1_000.0))
    second, content = read_if_new(path, first, 10)
    assert (second != first, content) == (True, b"other"), "another file of the same size and time"
    assert read_if_new(path, first, 3)[1] == b"othe", "one byte over the limit shows that it is longer"
