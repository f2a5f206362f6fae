"""Text that cannot be written is dropped and counted, and never raises."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.telemetry.standard_error import READER_TIMEOUT_SECONDS, StandardError

LOGGING = """
import sys
import structlog
from rich.console import Console
from reconciler.telemetry.logs import configure_logs, take_lost_lines

configure_logs("INFO", sys.argv[1])
log = structlog.get_logger("test")
for number in range(3):
    log.info("first", number=number)
Console(stderr=True).print("progress")
print("a line of another library", file=sys.stderr, flush=True)
print(take_lost_lines(), take_lost_lines())
"""


@pytest.fixture
def pipe() -> Iterator[tuple[int, StandardError]]:
    """Yield the reading end of a pipe, and the stream that writes to it."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    yield reading, StandardError(writing, encoding="utf-8", is_terminal=False)
    os.close(writing)


def fill(stream: StandardError) -> None:
    """Write until no byte more can be."""
    for text in ("x" * 4096, "x"):
        while stream.write_whole(text):
            pass


def test_reader_that_hung_up_is_noticed_without_writing(pipe: tuple[int, StandardError]) -> None:
    reading, stream = pipe
    assert not stream.is_reader_gone()

    os.close(reading)

    assert stream.is_reader_gone()
    assert stream.write("in the dark\n") == 12
    assert not stream.write_whole("in the dark\n")


def test_reader_of_a_file_is_never_gone_for_good(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        stream = StandardError(file.fileno(), encoding="utf-8", is_terminal=False)
        assert not stream.is_reader_gone()


def test_a_line_that_was_cut_short_does_not_run_into_the_next(
    pipe: tuple[int, StandardError],
) -> None:
    reading, stream = pipe
    fill(stream)
    os.read(reading, 4096)
    assert not stream.write_whole("y" * 8192 + "\n")
    os.read(reading, 1 << 20)

    assert stream.write_whole("whole\n")

    assert os.read(reading, 1 << 20) == b"\nwhole\n"
    os.close(reading)


def test_reader_that_does_not_read_is_waited_for_only_once() -> None:
    reading, writing = os.pipe()
    stream = StandardError(writing, encoding="utf-8", is_terminal=False)
    began = time.monotonic()

    while stream.write_whole("x" * 1000 + "\n"):
        pass
    for _ in range(1000):
        assert not stream.write_whole("lost\n")

    assert time.monotonic() - began < 20 * READER_TIMEOUT_SECONDS
    assert not stream.is_reader_gone()
    os.read(reading, 1 << 20)
    assert stream.write_whole("read again\n")
    assert os.read(reading, 1 << 20).endswith(b"read again\n")
    for descriptor in (reading, writing):
        os.close(descriptor)


LINES = """
import sys
from reconciler.telemetry.standard_error import protect_standard_error

stream = protect_standard_error()
for number in range(200):
    stream.write(sys.argv[1] * 9000 + "\\n")
"""


def test_long_lines_of_two_processes_do_not_mix_in_a_file(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as file:
        writers = [
            subprocess.Popen([sys.executable, "-c", LINES, letter], stderr=file)  # noqa: S603 - our own
            for letter in "ab"
        ]
        assert [writer.wait(300) for writer in writers] == [0, 0]

    lines = (tmp_path / "log").read_text().splitlines()
    assert sorted({*lines}) == ["a" * 9000, "b" * 9000]
    assert len(lines) == 400


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_full_disk_drops_lines_and_counts_them(log_format: str) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", LOGGING, log_format],
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            check=False,
            timeout=300,
        )

    assert (ended.returncode, ended.stdout) == (0, "3 0\n")


COMES_BACK = """
import os, resource, signal, sys
import structlog
from reconciler.telemetry.logs import configure_logs

_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
configure_logs("INFO", "json")
log = structlog.get_logger("test")
log.info("before")
resource.setrlimit(resource.RLIMIT_FSIZE, (os.fstat(2).st_size + 10, hard))
for _ in range(5):
    log.info("meanwhile")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
log.info("after")
log.info("later")
"""


def test_number_of_lost_lines_is_logged_once_there_is_space(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        subprocess.run([sys.executable, "-c", COMES_BACK], stderr=file, check=True, timeout=300)  # noqa: S603 - our own program

    lines = (tmp_path / "log").read_text().splitlines()
    whole = [json.loads(line) for line in lines if line.endswith("}")]
    assert [line["event"] for line in whole] == ["before", "after", "log.lines_lost", "later"]
    assert (whole[2]["lines"], whole[2]["level"]) == (5, "error")
