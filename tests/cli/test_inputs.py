# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run with ``--input`` prints for the files that people have."""

import gzip
import os
import subprocess
import sys
from pathlib import Path
from random import Random

from tests.json_documents import read_documents
from tests.symbols.oopses import kernel, oops


def run(
    folder: Path, *arguments: str, text: bytes = b"", config: str | None = "/dev/null"
) -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, "-m", "klogd_py", *(("--config", config) if config else ())]
    return subprocess.run(
        [*words, *arguments],
        input=text,
        capture_output=True,
        cwd=folder,
        env={**os.environ, "TZ": "UTC"},
        timeout=60,
        check=False,
    )


def texts(output: bytes) -> list[str]:
    return [line.partition(": ")[2] for line in output.decode().splitlines()]


def test_input_without_sink_is_printed(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("<6>[    1.000000] one\n<4>[    2.000000] two\n")
    found = run(tmp_path, "--input", "log")
    assert (found.returncode, texts(found.stdout)) == (0, ["one", "two"])
    found = run(tmp_path, "--input", "log", "--json")
    assert [document["text"] for document in read_documents(found.stdout)] == ["one", "two"]


def test_sinks_of_a_named_configuration_are_used(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("<6>[    1.000000] one\n")
    (tmp_path / "own.toml").write_text(f'sinks = ["file:{tmp_path}/kern.log"]\n')
    found = run(tmp_path, "--input", "log", config="own.toml")
    assert (found.returncode, found.stdout) == (0, b"")
    assert "one" in (tmp_path / "kern.log").read_text()


def test_packed_rotated_logs_are_one_stream(tmp_path: Path) -> None:
    (tmp_path / "kern.log.2.gz").write_bytes(gzip.compress(b"<6>first\n"))
    (tmp_path / "kern.log.1").write_text("<6>second, without its line feed")
    (tmp_path / "kern.log").write_text("<6>third\n")
    names = ("kern.log", "kern.log.1", "kern.log.2.gz")
    found = run(tmp_path, *(word for name in names for word in ("--input", name)))
    assert texts(found.stdout) == ["first", "second, without its line feed", "third"]


def test_inputs_are_merged_by_their_times(tmp_path: Path) -> None:
    stamp = "2026-11-26T10:00:{:02}+00:00 host kernel: {}\n"
    even = [stamp.format(second, f"even {second}") for second in range(0, 60, 2)]
    odd = [stamp.format(second, f"odd {second}") for second in range(1, 60, 2)]
    (tmp_path / "even").write_text("".join(even))
    found = run(tmp_path, "--input", "even", "--input", "-", text="".join(odd).encode())
    expected = [f"{'odd' if second % 2 else 'even'} {second}" for second in range(60)]
    assert (found.returncode, texts(found.stdout)) == (0, expected)


def test_missing_input_among_several_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("<6>one\n")
    (tmp_path / "journal").write_bytes(b"LPKSHHRH" + bytes(99))
    found = run(tmp_path, "--input", "none", "--input", "log", "--input", "journal")
    assert (found.returncode, texts(found.stdout)) == (1, ["one"])
    assert f"klogd-py: {tmp_path}/none: No such file or directory\n".encode() in found.stderr
    assert b"journalctl -k -o short-monotonic --file" in found.stderr


def test_inputs_that_all_fail_are_all_named(tmp_path: Path) -> None:
    found = run(tmp_path, "--input", "none", "--input", "never")
    assert (found.returncode, found.stdout) == (1, b"")
    assert b"/none: No such file" in found.stderr
    assert b"/never: No such file" in found.stderr


def test_standard_input_is_named_only_once(tmp_path: Path) -> None:
    found = run(tmp_path, "--input", "-", "--input", "-")
    assert found.returncode == 2
    assert len(found.stderr.splitlines()) == 2


def test_kernels_of_two_inputs_stay_apart(tmp_path: Path) -> None:
    """Two boots of one kernel crash at once, at different load addresses."""
    boots = [kernel(Random(20), slide=slide) for slide in (0x1A000000, 0x33000000)]
    (tmp_path / "System.map").write_bytes(boots[0].map)
    expected = []
    for number, boot in enumerate(boots):
        lines = oops(boot, Random(20), garbage=1)
        (tmp_path / f"log{number}").write_text(
            "".join(
                f"2026-11-26T10:00:{i:02}.{number}00000+00:00 host{number} kernel: "
                f"[   12.{i:06}] {line}\n"
                for i, line in enumerate(lines)
            )
        )
        alone = run(tmp_path, "--map", "System.map", "--input", f"log{number}")
        expected.append(texts(alone.stdout))
        assert sum("+0x" in text for text in expected[-1]) > 5
    found = run(tmp_path, "--map", "System.map", "--input", "log0", "--input", "log1")
    lines = found.stdout.decode().splitlines()
    assert sorted(texts(found.stdout)) == sorted([*expected[0], *expected[1]])
    stamps = [line.split()[2] for line in lines]
    assert stamps == sorted(stamps)
    assert b"slide 0x1a000000" in found.stderr
    assert b"log1: slide 0x33000000" in found.stderr


def test_console_invents_no_date_and_no_host(tmp_path: Path) -> None:
    lines = (
        b"<6>[    1.000000] one\n"
        b"[    1.500000][    T7] two\n"
        b"2026-11-20T10:00:01+00:00 web kernel: three\n"
        b"6,5,2000000,-;four\n6,7,3000000,-;five\n"
        b"no stamp\n"
    )
    found = run(tmp_path, "--input", "-", text=lines)
    shown = [line.partition(" [gap")[0] for line in found.stdout.decode().splitlines()]
    assert shown == [
        "[    1.000000] kernel: one",
        "[    1.500000][    T7] kernel: two",
        "Nov 20 10:00:01.000000 web kernel: three",
        "[    2.000000] kernel: four",
        "klogd-py: 1 kernel record missing (sequence number 6): not in this capture",
        "[    3.000000] kernel: five",
        "kernel: no stamp",
    ]
