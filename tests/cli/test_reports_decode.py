# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py reports decode``: the crashes in logs of any form."""

import gzip
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from klogd_py.system.progress import FIRST_AFTER_S
from tests.cli.spools import Printed, run_reports
from tests.cli.test_reports import SCHEMA
from tests.reports.published_schemas import SENTRY, UREPORT2, problems
from tests.terminals import read_to_end

CRASH = """\
BUG: kernel NULL pointer dereference, address: 0000000000000018
#PF: supervisor read access in kernel mode
Oops: 0000 [#1] PREEMPT SMP
CPU: 1 PID: 812 Comm: netperf Tainted: G           O       6.12.4 #1
RIP: 0010:nic_poll+0x5d/0x140 [nic]
Call Trace:
 ? __die+0x23/0x70
 __napi_poll+0x98/0x3a0
---[ end trace 0000000000000000 ]---
""".splitlines()
WARNING = """\
WARNING: CPU: 0 PID: 7 at drivers/net/nic.c:412 nic_stop+0x5d/0x140 [nic]
CPU: 0 PID: 7 Comm: ip Not tainted 6.12.4 #1
RIP: 0010:nic_stop+0x5d/0x140 [nic]
Call Trace:
 __dev_close_many+0x98/0x3a0
---[ end trace 0000000000000000 ]---
""".splitlines()
TITLE = "BUG: unable to handle kernel NULL pointer dereference in nic_poll"
MAP = "ffffffff81000000 T _text\nffffffff81100000 T nic_reset\nffffffff81200000 T nic_late\n"


Decode = Callable[..., Printed]


def log_of(*crashes: list[str], prefix: str = "") -> str:
    """A log of a serial line, with a minute between two crashes."""
    return "".join(
        f"{prefix}[{60 * (number + 1):5}.{at:06}] {line}\n"
        for number, lines in enumerate(crashes)
        for at, line in enumerate(["usb 1-1: new device", *lines])
    )


@pytest.fixture(name="decode")
def make_decode(tmp_path: Path) -> Decode:
    """Return what runs the command, on a text or on what the words name."""

    def decode(*words: str | Path, text: str | None = None) -> Printed:
        if text is None:
            return run_reports("decode", *words)
        (tmp_path / "text.log").write_text(text)
        return run_reports("decode", *words, tmp_path / "text.log")

    return decode


def test_crash_from_a_pipe_is_shown() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "klogd_py", "reports", "decode"],
        input=log_of(CRASH),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:3] == [TITLE, "", "where       nic_poll in module nic"]
    assert "how often   once" in lines
    assert "  __napi_poll+0x98/0x3a0" in lines
    # The log states no time of day, and the time of the reading says nothing.
    assert "when        60.0 s after the kernel started" in lines


def test_each_issue_is_shown_once(decode: Decode, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(log_of(CRASH, WARNING, CRASH))
    lines = decode(tmp_path / "log").stdout.splitlines()
    assert [line for line in lines if line in (TITLE, "WARNING in nic_stop")] == [
        TITLE,
        "WARNING in nic_stop",
    ]
    assert "how often   2 times" in lines
    assert lines[-1] == "3 crashes, 2 different; each of them: --json"


def test_json_has_every_report_in_order(decode: Decode, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "log.gz", "wt") as file:
        file.write(log_of(CRASH, WARNING, CRASH, prefix="Nov 27 18:04:05 db1 kernel: "))
    documents = json.loads(decode("--json", tmp_path / "log.gz").stdout)
    assert [one["kind"] for one in documents] == ["null-deref", "warning", "null-deref"]
    assert documents[0]["fingerprint"] == documents[2]["fingerprint"]
    assert {one["origin"] for one in documents} == {"capture"}
    for document in documents:
        jsonschema.Draft202012Validator(SCHEMA).validate(document)
        assert document["first_seen"]


def test_log_without_a_crash_is_status_1(decode: Decode) -> None:
    done = decode(text="[    1.000000] eth0: link up\n")
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()
    assert first == "klogd-py: no crash was found"
    assert second.startswith("klogd-py: see the kernel's messages in it: klogd-py --input /")
    assert json.loads(decode("--json", text="").stdout) == []


def test_file_that_is_missing_is_status_1(decode: Decode, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(log_of(WARNING))
    done = decode(tmp_path / "none", tmp_path / "log")
    assert done.returncode == 1
    assert done.stdout.startswith("WARNING in nic_stop\n")
    assert f"{tmp_path}/none: No such file or directory" in done.stderr
    alone = decode(tmp_path / "none")
    assert (alone.returncode, alone.stdout) == (1, "")


def make_inputs(folder: Path) -> None:
    packed = gzip.compress(b"[    1.000000] eth0: link up\n" * 100)
    (folder / "cut.gz").write_bytes(packed[:-9])
    (folder / "broken.gz").write_bytes(packed[:10] + b"\xff" * 99)
    (folder / "program").write_bytes(b"\x7fELF" + bytes(200))
    (folder / "folder").mkdir()
    (folder / "text.log").write_text("nothing\n")


@pytest.mark.parametrize(
    ("words", "wrong", "remedy"),
    [
        (["none"], "none: No such file or directory", "see what is there: ls "),
        (["folder"], "folder: Is a directory", "name the logs in it: klogd-py reports decode "),
        (["program"], "program: an ELF file, not text", "a whole log of text is needed"),
        (["none", "program"], "none: No such file or directory", "a whole log of text is needed"),
        (["cut.gz"], "cut.gz: cut off: its gzip content", "decode a copy of the log that is whole"),
        (["broken.gz"], "broken.gz: damaged (gzip", "a whole log of text is needed"),
        (["--map", "nomap", "text.log"], "nomap: no such file", "which maps are here: klogd-py m"),
    ],
)
def test_unusable_input_is_answered_with_remedy(
    words: list[str],
    wrong: str,
    remedy: str,
    decode: Decode,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    done = decode(*words)
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert wrong in lines[0]
    assert all(line.startswith("klogd-py: ") for line in lines)
    assert [line for line in lines[1:] if remedy in line]


def test_refused_file_is_answered_with_sudo(
    decode: Decode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = os.open

    def refuse(path: str, *words: int, **options: int) -> int:
        if path == "log":
            raise PermissionError(13, "Permission denied", path)
        return real(path, *words, **options)

    (tmp_path / "log").write_text("")
    monkeypatch.setattr("klogd_py.sources.input_file.os.open", refuse)
    monkeypatch.setattr("sys.argv", ["klogd-py", "reports", "decode", "log"])
    assert decode("log").stderr.splitlines() == [
        "klogd-py: log: Permission denied",
        "klogd-py: type: sudo klogd-py reports decode log",
    ]


def test_two_formats_exclude_each_other(decode: Decode) -> None:
    done = decode("--json", "--format", "html", text="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == "klogd-py: --json and --format exclude each other"


def test_raw_addresses_are_named_by_map(decode: Decode, tmp_path: Path) -> None:
    (tmp_path / "System.map").write_text(MAP)
    raw = [
        "BUG: unable to handle page fault for address: 00000000000000f8",
        "RIP: 0010:0xffffffff81100010",
        "Call Trace:",
        " 0xffffffff81200010",
        "---[ end trace 0000000000000000 ]---",
    ]
    words = ["--map", tmp_path / "System.map", "--slide", "0", "--release", "6.12.4"]
    done = decode(*words, text=log_of(raw))
    assert done.stdout.splitlines()[2] == "where       nic_reset"
    unnamed = decode(text=log_of(raw))
    assert "no symbols were named: type --map FILE" in unnamed.stderr


@pytest.mark.parametrize(("form", "schema"), [("ureport2", UREPORT2), ("sentry", SENTRY)])
def test_decoded_reports_have_formats_of_others(
    decode: Decode, form: str, schema: dict[str, object]
) -> None:
    documents = json.loads(decode("--format", form, text=log_of(CRASH, WARNING)).stdout)
    assert len(documents) == 2
    assert [problems(document, schema) for document in documents] == [[], []]


def test_page_of_a_log_has_each_issue(decode: Decode) -> None:
    page = decode("--format", "html", "--public", text=log_of(CRASH, WARNING, CRASH)).stdout
    assert page.count("<article") == 2
    assert "netperf" not in page


def test_public_log_can_hide_the_hardware(decode: Decode) -> None:
    log = log_of(
        [*CRASH[:-1], "Hardware name: Example Rack 12/R12, BIOS 2.4 03/14/2025", CRASH[-1]]
    )
    assert "Rack" in decode("--public", text=log).stdout
    assert "Rack" not in decode("--public", "--no-hardware", text=log).stdout
    assert decode("--no-hardware", text=log).returncode == 2


def test_reports_of_klogd_py_start_none(decode: Decode) -> None:
    own = '<4>report 1:0123456789abcdef kind=warning title="WARNING in nic_stop" count=1 id=x\n'
    assert decode(text=own).returncode == 1


def test_long_reading_shows_progress_on_terminal() -> None:
    readable, writable = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "klogd_py", "reports", "decode"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=writable,
    )
    os.close(writable)
    assert process.stdin is not None
    for line in log_of(WARNING).splitlines(keepends=True)[:4]:
        process.stdin.write(line.encode())
        process.stdin.flush()
        time.sleep(FIRST_AFTER_S)
    found, _ = process.communicate(timeout=60)
    assert b"lines, 0 frames named" in read_to_end(readable)
    assert found.startswith(b"WARNING in nic_stop\n")
