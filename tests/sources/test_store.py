import stat
import uuid

import pytest

from ermon.sources.key import SourceKey
from ermon.sources.record import MemoryRecords, SourceRecord, Validators
from ermon.sources.store import FolderRecords, ListFiles, file_stem

TAGS = SourceKey("service-tags", "https://lists.example.net/tags.json?sig=s3cret", ("Storage",))
OTHER_TAGS = SourceKey("service-tags", "https://lists.example.net/tags.json?sig=s3cret", ("Sql",))
RECORD = SourceRecord(1795184918.5, "63", Validators('"abc"', "Tue, 01 Apr 2031 00:00:00 GMT"))


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


def test_nobody_else_reads_what_is_kept(folder):
    ListFiles(folder, 100).keep(TAGS, b"[1]")
    FolderRecords(folder).keep(TAGS, RECORD)
    FolderRecords(folder).client_request_id()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_names_of_files_tell_nothing_of_a_url(folder):
    assert file_stem(TAGS).startswith("service-tags-")
    assert "s3cret" not in file_stem(TAGS)
    assert file_stem(TAGS) != file_stem(OTHER_TAGS)


def test_a_list_that_is_too_large_is_not_read(folder):
    ListFiles(folder, 100).keep(TAGS, b"[1]")
    assert ListFiles(folder, 2).load(TAGS) is None


def test_a_write_that_fails_leaves_what_was_there(folder, monkeypatch):
    files = ListFiles(folder, 100)
    files.keep(TAGS, b"[1]")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.keep(TAGS, b"[2]")
    assert files.load(TAGS) == b"[1]"
    assert list(folder.iterdir()) == [files.path(TAGS)]


def test_what_a_crash_left_behind_is_written_over(folder):
    files = ListFiles(folder, 100)
    folder.mkdir(parents=True)
    files.path(TAGS).with_name(files.path(TAGS).name + ".new").write_bytes(b"half of a lis")
    files.keep(TAGS, b"[1]")
    assert files.load(TAGS) == b"[1]"


def test_a_link_that_somebody_has_laid_is_not_followed(folder, tmp_path):
    files = ListFiles(folder, 100)
    folder.mkdir(parents=True)
    files.path(TAGS).with_name(files.path(TAGS).name + ".new").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        files.keep(TAGS, b"[1]")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("records", [MemoryRecords, None], ids=["memory", "folder"])
def test_a_record_is_kept_for_its_source(records, folder):
    kept = FolderRecords(folder) if records is None else records()
    assert kept.load(TAGS) is None
    kept.keep(TAGS, RECORD)
    assert (kept.load(TAGS), kept.load(OTHER_TAGS)) == (RECORD, None)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"checked_at": "yesterday"}', b" " * 100_000, b"\xff"])
def test_a_damaged_record_is_none(folder, data):
    records = FolderRecords(folder)
    records.keep(TAGS, RECORD)
    (path,) = folder.iterdir()
    path.write_bytes(data)
    assert records.load(TAGS) is None


def test_an_installation_has_one_client_request_id(folder):
    first = FolderRecords(folder).client_request_id()
    assert str(uuid.UUID(first)) == first
    assert FolderRecords(folder).client_request_id() == first
    assert MemoryRecords().client_request_id() != MemoryRecords().client_request_id()


@pytest.mark.parametrize("data", [b"", b"not a guid", b"\xff", b"x" * 100_000])
def test_a_damaged_client_request_id_is_made_anew(folder, data):
    FolderRecords(folder).client_request_id()
    (path,) = folder.iterdir()
    path.write_bytes(data)
    anew = FolderRecords(folder).client_request_id()
    assert FolderRecords(folder).client_request_id() == anew


def test_without_a_disk_the_client_request_id_stays_until_the_end(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    records = FolderRecords(tmp_path / "file" / "sources")
    assert records.client_request_id() == records.client_request_id()
