import stat

import pytest

from ermon.model.source_key import SourceKey
from ermon.sources.store import ListFiles, file_stem

TAGS = SourceKey("service-tags", "https://lists.example.net/tags.json?sig=s3cret", ("Storage",))
OTHER_TAGS = SourceKey("service-tags", "https://lists.example.net/tags.json?sig=s3cret", ("Sql",))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state" / "sources"


def test_a_list_is_kept_for_its_source(folder):
    files = ListFiles(folder, 100)
    assert files.load(TAGS) is None
    files.keep(TAGS, b"[1]")
    files.keep(OTHER_TAGS, b"[2]")
    files.keep(TAGS, b"[3]")
    again = ListFiles(folder, 100)
    assert (again.load(TAGS), again.load(OTHER_TAGS)) == (b"[3]", b"[2]")


def test_other_users_cannot_read_the_files(folder):
    ListFiles(folder, 100).keep(TAGS, b"[1]")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_names_of_files_reveal_nothing_of_a_url(folder):
    assert file_stem(TAGS).startswith("service-tags-")
    assert "s3cret" not in file_stem(TAGS)
    assert file_stem(TAGS) != file_stem(OTHER_TAGS)


def test_a_list_that_is_too_large_is_not_read(folder):
    ListFiles(folder, 100).keep(TAGS, b"[1]")
    assert ListFiles(folder, 2).load(TAGS) is None


def test_a_failed_write_leaves_the_old_file(folder, monkeypatch):
    files = ListFiles(folder, 100)
    files.keep(TAGS, b"[1]")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.keep(TAGS, b"[2]")
    assert files.load(TAGS) == b"[1]"
    assert list(folder.iterdir()) == [files.path(TAGS)]


def test_leftovers_of_a_crash_are_overwritten(folder):
    files = ListFiles(folder, 100)
    folder.mkdir(parents=True)
    files.path(TAGS).write_bytes(b"half of a lis")
    files.keep(TAGS, b"[1]")
    assert files.load(TAGS) == b"[1]"


def test_a_symbolic_link_is_not_followed(folder, tmp_path):
    files = ListFiles(folder, 100)
    folder.mkdir(parents=True)
    files.path(TAGS).symlink_to(tmp_path / "elsewhere")
    files.keep(TAGS, b"[1]")
    assert files.load(TAGS) == b"[1]"
    assert not (tmp_path / "elsewhere").exists()
