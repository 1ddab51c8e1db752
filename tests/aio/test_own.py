"""Files and folders of ermon: those of other users are not used, and links are not followed."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ermon.aio.own import NotAFileError, own_file, own_folder
from tests.bgp import require

NOBODY = 65534


@pytest.fixture(params=[0o000, 0o022, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def needs_root() -> None:
    require(os.geteuid() == 0, "root, to give files to others")


@pytest.mark.usefixtures("umask")
def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    own_folder(tmp_path / "above" / "state")
    own_folder(tmp_path / "run", 0o750)
    own_file(tmp_path / "file")
    assert [mode(tmp_path / name) for name in ("above", "above/state", "run", "file")] == [
        0o700,
        0o700,
        0o750,
        0o600,
    ]


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    own_folder(tmp_path)
    assert mode(tmp_path) == 0o750


def test_a_folder_in_which_everybody_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(PermissionError, match=r"it is world-writable \(mode 0777\)"):
        own_folder(tmp_path)
    own_folder(tmp_path / "inside")
    tmp_path.chmod(0o1777)
    own_folder(tmp_path)


def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    needs_root()
    os.chown(tmp_path, NOBODY, NOBODY)
    with pytest.raises(PermissionError, match="it belongs to "):
        own_folder(tmp_path)


def test_a_file_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    file.chmod(0o644)
    own_file(file)
    assert (mode(file), file.read_text()) == (0o600, "kept")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("another's")
    target.chmod(0o644)
    link.symlink_to(target)
    with pytest.raises(NotAFileError, match="it is a symbolic link"):
        own_file(link)
    assert mode(target) == 0o644
    link.unlink()
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotAFileError, match="it is a symbolic link"):
        own_file(link)
    assert not (tmp_path / "nowhere").exists()


def test_a_pipe_or_a_folder_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, what in (tmp_path / "pipe", "a pipe"), (tmp_path, "a folder"), (Path("/dev/full"), "a device"):
        with pytest.raises(NotAFileError, match=f"it is {what}"):
            own_file(path)


def test_a_file_of_another_user_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    needs_root()
    file = tmp_path / "file"
    file.touch(0o644)
    os.chown(file, NOBODY, NOBODY)
    with pytest.raises(PermissionError, match="it belongs to "):
        own_file(file)
    assert mode(file) == 0o644
