# SPDX-License-Identifier: GPL-2.0-or-later
import secrets
from pathlib import Path

from tests.end_to_end.program import Program, configure, lines_of, read_ring, write_kmsg
from tests.json_documents import read_document
from tests.needs import needs_kmsg
from tests.waiting import wait_until

pytestmark = needs_kmsg


def test_line_in_kernel_log_reaches_file(tmp_path: Path) -> None:
    log, marker = tmp_path / "kern.log", f"marker-{secrets.token_hex(8)}"
    with Program(tmp_path, "--sink", f"file:{log}") as program:
        write_kmsg(f"<28>tests[7]: {marker} says \x1b[31mhello")
        found = wait_until(lambda: [line for line in lines_of(log) if marker in line], "the marker")
        assert program.stop() == 0
    assert len(found) == 1
    assert found[0].endswith(f" tests[7]: {marker} says \\x1b[31mhello")


def test_line_read_by_syslog_call_reaches_file(tmp_path: Path) -> None:
    log, marker = tmp_path / "kern.log", f"marker-{secrets.token_hex(8)}"
    with Program(tmp_path, "--syscall", "--sink", f"file:{log}") as program:
        write_kmsg(f"<4>{marker}")
        found = wait_until(lambda: [line for line in lines_of(log) if marker in line], "the marker")
        assert program.stop() == 0
    assert [line.rpartition(" ")[2] for line in found] == [marker]


def test_no_process_passes_for_kernel(tmp_path: Path) -> None:
    log, marker = tmp_path / "kern.log", f"marker-{secrets.token_hex(8)}"
    config = configure(tmp_path, '[file]\nformat = "json"\n')
    with Program(tmp_path, "--sink", f"file:{log}", config=config):
        write_kmsg(f"<0>{marker}")
        found = wait_until(lambda: [line for line in lines_of(log) if marker in line], "the marker")
    content = read_document(found[0])
    assert (content["facility"], content["severity"], content["tag"]) == (1, "emerg", "kmsg")


def _shown_once(folder: Path, *options: str) -> list[str]:
    """All lines of a single pass, taken while nobody else wrote to the kernel log."""

    def shown() -> tuple[list[str], list[bytes]]:
        before = read_ring()
        with Program(folder, "--once", "--sink", "console", *options) as program:
            assert program.wait() == 0
        return (lines_of(program.output), before) if read_ring() == before else ([], [])

    lines, records = wait_until(
        lambda: found if (found := shown())[1] else None, "a moment of silence", 20
    ) or ([], [])
    assert len(lines) == len(records)
    return lines


def test_single_pass_prints_line_per_record(tmp_path: Path) -> None:
    assert _shown_once(tmp_path, "--style", "off")


def test_single_pass_prints_record_numbers(tmp_path: Path) -> None:
    seqs = [read_document(line)["seq"] for line in _shown_once(tmp_path, "--json")]
    assert seqs == [*range(seqs[0], seqs[-1] + 1)]


def _times(marker: str, log: Path) -> int:
    return sum(marker in line for line in lines_of(log))


def test_two_readers_get_all_records(tmp_path: Path) -> None:
    marker = f"marker-{secrets.token_hex(8)}"
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    with (
        Program(folders[0], "--sink", f"file:{folders[0]}/log"),
        Program(folders[1], "--sink", f"file:{folders[1]}/log"),
    ):
        for number in range(3):
            write_kmsg(f"{marker} {number}")
        wait_until(
            lambda: all(_times(marker, folder / "log") == 3 for folder in folders),
            "three markers each",
        )
    expected = [f"{marker} {number}" for number in range(3)]
    for folder in folders:
        found = [line for line in lines_of(folder / "log") if marker in line]
        assert [line[line.index(marker) :] for line in found] == expected
