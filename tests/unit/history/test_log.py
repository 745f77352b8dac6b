from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from builder.history.log import LogFile, logged
from builder.history.record import Log

PROGRAM = """
import os, subprocess, sys
from pathlib import Path
from builder.history.log import logged
with logged(Path(sys.argv[1])) as capture:
    print("from here", flush=True)
    code = subprocess.call(["sh", "-c", sys.argv[2]])
print(capture.log, code, file=sys.stderr)
"""


def logged_by(path: Path, command: str, **streams: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(path), command], **streams)  # type: ignore[call-overload,no-any-return]


def test_what_is_printed_is_shown_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    process = logged_by(path, "echo out; echo err >&2; exit 3", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    shown = process.communicate()[0]
    assert shown == b"from here\nout\nerr\nLog(file='log.txt', size=18, cut=False) 3\n"
    assert path.read_bytes() == b"from here\nout\nerr\n"


def test_standard_output_and_error_stay_apart(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with logged(tmp_path / "log.txt") as capture:
        os.write(1, b"out\n")
        os.write(2, b"err\n")
    assert capfd.readouterr() == ("out\n", "err\n")
    assert capture.log == Log("log.txt", 8)


def test_a_terminal_stays_a_terminal_of_the_same_size(tmp_path: Path) -> None:
    import fcntl
    import struct
    import termios

    near, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = logged_by(
        tmp_path / "log.txt", "test -t 1 && stty size <&1", stdin=subprocess.DEVNULL, stdout=end, stderr=end
    )
    os.close(end)
    shown = b""
    try:
        while data := os.read(near, 1000):
            shown += data
    except OSError:  # EIO: its end
        pass
    process.wait()
    os.close(near)
    assert shown.startswith(b"from here\r\n40 100\r\nLog(")
    assert (tmp_path / "log.txt").read_bytes() == b"from here\n40 100\n"


def test_a_reader_that_goes_ends_the_command_as_without_a_log(tmp_path: Path) -> None:
    process = logged_by(tmp_path / "log.txt", "exec yes", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read().decode()
    process.stderr.close()
    process.wait()
    assert f" -{int(signal.SIGPIPE)}\n" in said


def test_a_long_log_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log.txt", head=100, tail=100)
    printed = b"".join(b"line %d\n" % number for number in range(1000))
    for start in range(0, len(printed), 37):
        log.write(printed[start : start + 37])
    log.close()
    kept = (tmp_path / "log.txt").read_bytes()
    assert (log.size, log.cut) == (len(printed), True)
    assert kept.startswith(printed[:100])
    assert kept.endswith(b"\nline 998\nline 999\n")
    left_out, last = kept[100:].split(b" bytes are left out]\n")
    assert int(left_out.removeprefix(b"\n[")) == len(printed) - 100 - len(last)
    assert len(kept) < 500


def test_a_log_that_cannot_be_written_does_not_stop_what_is_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with logged(tmp_path / "nowhere" / "log.txt") as capture:
        os.write(1, b"out\n")
    assert capfd.readouterr().out == "out\n"
    assert (capture.log, capture.note) == (None, "what was printed is not recorded: No such file or directory")


def test_a_full_disk_ends_the_log_and_is_told() -> None:
    log = LogFile(Path("/dev/full"))
    log.write(b"out\n")
    log.write(b"more\n")
    log.close()
    assert (log.size, log.cut, log.failure) == (9, True, "No space left on device")
