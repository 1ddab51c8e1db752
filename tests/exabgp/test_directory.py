"""The files of one ExaBGP process."""

import os

import pytest

from ermon.exabgp.directory import LOG_LIMIT, ProcessDirectory


@pytest.fixture
def directory(tmp_path):
    directory = ProcessDirectory(tmp_path, "edges")
    directory.prepare()
    return directory


def write(directory, text):
    directory.log_path.write_text(text)


def test_only_the_end_of_a_huge_log_is_read(directory):
    log = directory.open_log()
    try:
        os.ftruncate(log, 2**40)  # nothing of it is on the disk
        os.write(log, "the last é words\n".encode())
    finally:
        os.close(log)
    assert len(directory.log()) <= LOG_LIMIT
    assert directory.last_words().endswith("the last é words")
    directory.limit_log()
    assert directory.log_size() == 0


def test_the_log_is_read_from_a_byte_on(directory):
    write(directory, "é before\n")
    before = directory.log_size()
    with directory.log_path.open("a") as file:
        file.write("after\n")
    assert directory.log(before) == "after\n"
    assert directory.log(2**40) == ""


def test_a_missing_log_gives_no_text(directory):
    assert (directory.log_size(), directory.log(), directory.last_words()) == (0, "", "")


def test_the_last_output_is_the_last_lines_without_usual_messages(directory):
    said = [f"12:00:00 | {n}".ljust(16) + f"line {n}\n" for n in range(9)]
    write(directory, "".join(["welcome to ExaBGP\n", *said, "\n", "advice do not\n"]))
    assert directory.last_words() == "line 4; line 5; line 6; line 7; line 8"
