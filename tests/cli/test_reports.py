# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py reports``: list, show, export, forget and follow, as a user runs them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from msgspec import structs

from klogd_py.record.address_mask import HIDDEN
from klogd_py.record.report import Fingerprint, ReportSeverity
from tests import other_user
from tests.cli.spools import PANIC, fill, occurrence, run_reports
from tests.conftest import open_to_others
from tests.needs import NOBODY, is_root, needs_other_users
from tests.reports.published_schemas import SENTRY, UREPORT2, problems
from tests.reports_made import BOOT_ID, REPORT, make_report
from tests.terminals import read_to_end

SCHEMA = json.loads((Path(__file__).parents[2] / "klogd_py/report.schema.json").read_text())
KASAN = "0123456789abcdef"


@pytest.fixture(name="spool", scope="module")
def make_spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spool") / "reports"
    return fill(path, [PANIC, *map(occurrence, range(8))])


@pytest.mark.parametrize("words", [[], ["list"]])
def test_reports_alone_lists_the_issues(words: list[str], spool: Path) -> None:
    done = run_reports(*words, spool=spool)
    heading, *rows = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert heading.startswith("ISSUE  FIRST")
    assert [row.split()[0] for row in rows] == ["9999", "0123"]
    assert "  8      kasan" in rows[1]


def test_list_as_json_follows_the_schema(spool: Path) -> None:
    documents = json.loads(run_reports("list", "--json", spool=spool).stdout)
    assert [(one["kind"], one["count"]) for one in documents] == [("null-deref", 1), ("kasan", 8)]
    for document in documents:
        jsonschema.Draft202012Validator(SCHEMA).validate(document)
        assert document["text"] == []


def test_list_selects_what_options_say(spool: Path) -> None:
    only = run_reports("--kind", "null-deref,bug", "--since", "@1", "-b", "all", spool=spool)
    assert [row.split()[0] for row in only.stdout.splitlines()[1:]] == ["9999"]
    none = run_reports("list", "--since", "2099-01-01", spool=spool)
    assert (none.returncode, none.stdout) == (0, "")
    assert none.stderr == "klogd-py: no report matches\n"


def test_empty_spool_is_said_and_no_error(tmp_path: Path) -> None:
    empty = fill(tmp_path / "reports", [])
    done = run_reports(spool=empty)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "klogd-py: no crash has been reported\n"
    assert json.loads(run_reports("--json", spool=empty).stdout) == []


@pytest.mark.parametrize(
    ("words", "wrong", "remedy"),
    [
        (["show", "zz"], "no report has the name 'zz'", "reports list"),
        (["show", "5f0c"], "several reports begin with '5f0c': 5f0c9a1e-", "reports list"),
        (["export", "zz"], "no report has the name 'zz'", "reports list"),
        (["forget", "zz"], "no report has the name 'zz'", "reports list"),
    ],
)
def test_unknown_name_is_answered_with_remedy(
    words: list[str], wrong: str, remedy: str, spool: Path
) -> None:
    done = run_reports(*words, spool=spool)
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()
    assert wrong in first
    assert remedy in second


@pytest.mark.parametrize(
    ("words", "wrong", "remedy"),
    [
        (["forget"], "forget needs either names or --older", "--older 30d"),
        (["forget", "x", "--older", "1d"], "forget needs either names", "forget ID"),
        (["show", "--raw", "--json"], "--raw and --json exclude each other", "leave out one"),
        (["list", "-b", "-9"], "no reports are kept of boot -9", "0 is this boot"),
        (["list", "-b", "2"], "expected 0, -1, -2 or all, got '2'", "reports list --help"),
        (["list", "-b", "x"], "expected 0, -1, -2 or all, got 'x'", "reports list --help"),
        (["--kind", "oops,kasn"], "(did you mean kasan?), got 'kasn'", "reports --help"),
        (["--kind", "oops,foo"], "warning or hung-task, got 'foo'", "reports --help"),
        (["export", "--json"], "reports export does not take --json", "export --format json"),
        (["export", "--format", "xml"], "html, ureport2 or sentry", "reports export --help"),
        (["forget", "--older", "soon"], "expected a time such as 30d or 12h", "forget --help"),
    ],
)
def test_wrong_command_line_is_answered_with_remedy(
    words: list[str], wrong: str, remedy: str, spool: Path
) -> None:
    done = run_reports(*words, spool=spool)
    assert (done.returncode, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert wrong in first
    assert remedy in second


def test_configuration_names_the_spool_to_read(spool: Path, tmp_path: Path) -> None:
    (tmp_path / "klogd-py.toml").write_text(f'[reports]\nspool = "{spool}"\n')
    shown = run_reports("show", "last", "--config", tmp_path / "klogd-py.toml")
    assert shown.stdout.startswith(REPORT.title)
    (tmp_path / "klogd-py.toml").write_text('[reports]\nspool = ""\n')
    none = run_reports("--config", tmp_path / "klogd-py.toml")
    assert none.returncode == 1
    assert "reports.spool is empty in the configuration" in none.stderr.splitlines()[0]


def test_missing_spool_is_said_with_remedy(tmp_path: Path) -> None:
    done = run_reports(spool=tmp_path / "none")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"klogd-py: {tmp_path}/none: No such file or directory",
        "klogd-py: name another directory; for a log: klogd-py reports decode FILE",
    ]


def test_missing_configured_spool_names_the_daemon(tmp_path: Path) -> None:
    config = tmp_path / "klogd-py.toml"
    config.write_text(f'[reports]\nspool = "{tmp_path}/none"\n')
    done = run_reports("show", "--config", config)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[1] == (
        "klogd-py: the daemon makes it at start; for a log: klogd-py reports decode FILE"
    )


def test_missing_place_of_spool_is_named(tmp_path: Path) -> None:
    config = tmp_path / "klogd-py.toml"
    config.write_text(f'[reports]\nspool = "{tmp_path}/none/reports"\n')
    assert run_reports("--config", config).stderr.splitlines()[1] == (
        f"klogd-py: to keep reports: sudo mkdir -p {tmp_path}/none; for a log: "
        "klogd-py reports decode FILE"
    )


def test_wrong_configuration_ends_every_command(tmp_path: Path) -> None:
    config = tmp_path / "klogd-py.toml"
    config.write_text('[reports]\nspol = "/x"\n')
    done = run_reports("--config", config)
    assert (done.returncode, done.stdout) == (78, "")
    assert f"klogd-py check-config {config}" in done.stderr.splitlines()[-1]


def test_remedy_names_the_directory_again(spool: Path) -> None:
    done = run_reports("show", "zz", spool=spool)
    assert done.stderr.splitlines()[1] == (
        f"klogd-py: the issues are listed by: klogd-py reports list --spool {spool}"
    )


def test_show_without_reports_says_so(tmp_path: Path) -> None:
    done = run_reports("show", spool=fill(tmp_path / "reports", []))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "klogd-py: no crash has been reported",
        "klogd-py: for a log: klogd-py reports decode FILE",
    ]


def test_damaged_report_is_named_with_remedy(tmp_path: Path) -> None:
    spool = fill(tmp_path / "reports", [occurrence(1), PANIC])
    (spool / f"{PANIC.id}.json").write_text("{")
    done = run_reports(spool=spool)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    first, second = done.stderr.splitlines()
    assert first.startswith(f"klogd-py: {spool}/{PANIC.id}.json: not a report: ")
    assert second == f"klogd-py: to remove it: sudo rm {spool}/{PANIC.id}.json"


@pytest.mark.parametrize("name", [[], ["last"], [KASAN], [f"1:{KASAN[:4]}"], [KASAN[:4]]])
def test_show_finds_the_newest_report(name: list[str], spool: Path) -> None:
    done = run_reports("show", *name, spool=spool)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == REPORT.title
    assert "where       nic_poll in module nic" in lines
    assert [line for line in lines if line.startswith("how often   8 times, from 2026-11-27 ")]
    assert f"report      {occurrence(7).id}" in lines


def test_show_finds_a_report_by_prefix(spool: Path) -> None:
    shown = run_reports("show", occurrence(1).id[:21], spool=spool).stdout
    assert f"report      {occurrence(1).id}" in shown


def test_raw_shows_only_lines_of_kernel(spool: Path) -> None:
    shown = run_reports("show", "--raw", spool=spool).stdout.splitlines()
    assert [line for line in shown if "at addr" not in line] == [
        line for line in REPORT.text if "at addr" not in line
    ]


def test_shown_document_follows_the_schema(spool: Path) -> None:
    document = json.loads(run_reports("show", "last", "--json", spool=spool).stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert document["id"] == occurrence(7).id
    assert document["count"] == 8
    assert document["first_seen"] == occurrence(7).first_seen
    assert document["text"][0] == REPORT.text[0]


def test_others_than_root_see_no_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    from klogd_py.cli.reports.stored import load_for_caller
    from klogd_py.spool.reader import Spool

    spool = Spool(fill(tmp_path / "reports", [occurrence(1)]))
    shown = load_for_caller(spool, spool.find("last"))
    assert shown.text[1] == f"Read of size 8 at addr {HIDDEN} by task netperf/812"


def test_root_sees_addresses_that_others_lack(spool: Path) -> None:
    shown = run_reports("show", spool=spool).stdout
    assert ("ffff8881054c0d40" in shown) == is_root()


def run_as_nobody(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``klogd-py reports`` as a user who is no member of the group."""
    open_to_others(tmp_path)
    other = other_user.provide(tmp_path)
    return subprocess.run(
        [other.command, "-m", "klogd_py", "reports", *words, "--spool", str(tmp_path / "reports")],
        env=dict(other.environment),
        user=NOBODY,
        group=NOBODY,
        extra_groups=(),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@needs_other_users
@pytest.mark.parametrize("mode", [0o750, 0o755])
@pytest.mark.parametrize("words", [[], ["show"]])
def test_refused_reader_is_told_the_group(tmp_path: Path, words: list[str], mode: int) -> None:
    fill(tmp_path / "reports", [occurrence(1), occurrence(2)]).chmod(mode)
    done = run_as_nobody(tmp_path, *words)
    first, second = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert first == f"klogd-py: {tmp_path}/reports: Permission denied"
    assert f"sudo {' '.join(['klogd-py reports', *words, '--spool'])}" in second
    assert "sudo usermod -aG klogd-py $USER" in second


@needs_other_users
def test_single_unreadable_report_is_not_to_be_removed(tmp_path: Path) -> None:
    spool = fill(tmp_path / "reports", [occurrence(1), PANIC])
    spool.chmod(0o755)
    (spool / f"{occurrence(1).id}.json").chmod(0o644)
    done = run_as_nobody(tmp_path)
    first, second = done.stderr.splitlines()
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    assert first == f"klogd-py: {spool}/{PANIC.id}.json: Permission denied"
    assert second == f"klogd-py: type: sudo klogd-py reports --spool {spool}"


def test_forget_by_age_leaves_newer_reports(tmp_path: Path) -> None:
    ancient = {"first_seen": "2001-01-01T00:00:00Z", "last_seen": "2001-01-01T00:00:00Z"}
    future = {"first_seen": "2099-01-01T00:00:00Z", "last_seen": "2099-01-01T00:00:00Z"}
    old, new = (structs.replace(occurrence(n), **at) for n, at in enumerate((ancient, future)))
    spool = fill(tmp_path / "reports", [old, new])
    done = run_reports("forget", "--older", "30d", spool=spool)
    assert (done.returncode, done.stderr) == (0, "klogd-py: 1 report removed\n")
    assert [one.name for one in spool.glob("*-*.json")] == [f"{new.id}.json"]


@needs_other_users
def test_refused_forget_names_no_group(tmp_path: Path) -> None:
    fill(tmp_path / "reports", [occurrence(1)])
    (tmp_path / "reports").chmod(0o755)
    (tmp_path / "reports" / f"{occurrence(1).id}.json").chmod(0o644)
    done = run_as_nobody(tmp_path, "forget", "last")
    first, second = done.stderr.splitlines()
    assert (done.returncode, first) == (1, f"klogd-py: {tmp_path}/reports: Permission denied")
    assert second == f"klogd-py: type: sudo klogd-py reports forget last --spool {tmp_path}/reports"


def test_export_is_text_unless_asked_otherwise(spool: Path) -> None:
    text = run_reports("export", spool=spool).stdout
    assert text.startswith(f"{REPORT.title}\n\nwhere ")
    assert "UTC, 5.2 s after the kernel started" in text
    page = run_reports("export", "--format", "html", spool=spool).stdout
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<path") == 6 + 1


def test_export_has_formats_of_others(spool: Path) -> None:
    ureport = json.loads(run_reports("export", "--format", "ureport2", spool=spool).stdout)
    assert problems(ureport, UREPORT2) == []
    event = json.loads(run_reports("export", "--format", "sentry", spool=spool).stdout)
    assert problems(event, SENTRY) == []


@pytest.mark.parametrize("form", ["text", "json", "html", "ureport2", "sentry"])
def test_public_export_tells_no_process(form: str, spool: Path) -> None:
    shown = run_reports("export", "--public", "--format", form, spool=spool).stdout
    assert "nic_poll" in shown
    for secret in ("netperf", "812", "ffff8881", "link down", "5f0c9a1e"):
        assert secret not in shown, secret


@pytest.mark.parametrize("form", ["text", "json", "html", "ureport2", "sentry"])
def test_public_export_can_hide_the_hardware(form: str, spool: Path) -> None:
    words = ("export", "--public", "--format", form)
    assert "Rack 12" in run_reports(*words, spool=spool).stdout
    shown = run_reports(*words, "--no-hardware", spool=spool).stdout
    assert "nic_poll" in shown
    assert "Rack" not in shown


def test_hardware_is_hidden_in_public_only(spool: Path) -> None:
    done = run_reports("export", "--no-hardware", spool=spool)
    assert done.returncode == 2
    assert "--no-hardware needs --public" in done.stderr


def test_forget_removes_reports_and_counts(tmp_path: Path) -> None:
    spool = fill(tmp_path / "reports", [PANIC, occurrence(1), occurrence(2)])
    done = run_reports("forget", "9999", spool=spool)
    assert (done.returncode, done.stderr) == (0, "klogd-py: 1 report removed\n")
    assert [one.split()[0] for one in run_reports(spool=spool).stdout.splitlines()] == [
        "ISSUE",
        "0123",
    ]


def test_forget_of_issue_removes_all_reports(tmp_path: Path) -> None:
    spool = fill(tmp_path / "reports", [PANIC, *map(occurrence, range(8))])
    assert run_reports("forget", KASAN[:4], spool=spool).stderr == "klogd-py: 6 reports removed\n"
    assert [row.split()[0] for row in run_reports(spool=spool).stdout.splitlines()[1:]] == ["9999"]


def test_show_names_the_other_reports(spool: Path) -> None:
    shown = run_reports("show", KASAN[:4], spool=spool).stdout
    kept = [line.split()[-1] for line in shown.splitlines() if f"{BOOT_ID[:8]}-" in line]
    assert len(kept) == 6
    assert [run_reports("show", name, spool=spool).returncode for name in kept] == [0] * 6


def test_public_report_is_found_by_its_id(spool: Path) -> None:
    public = run_reports("export", "--public", KASAN[:4], spool=spool).stdout
    assert BOOT_ID[:8] not in public
    (name,) = [line.split()[-1] for line in public.splitlines() if line.startswith("report ")]
    shown = run_reports("show", name, spool=spool).stdout
    assert f"{BOOT_ID[:8]}-{name}" in shown


def test_forget_removes_what_is_older(tmp_path: Path) -> None:
    spool = fill(tmp_path / "reports", [occurrence(1), occurrence(2)])
    assert run_reports("forget", "--older", "300y", spool=spool).stderr == (
        "klogd-py: 0 reports removed\n"
    )
    assert sorted(path.name for path in spool.glob("5*.json")) != []


def test_terminal_shows_colours_and_fits(spool: Path) -> None:
    readable, writable = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "klogd_py", "reports", "show", "--spool", str(spool)],
        stdout=writable,
        timeout=60,
        check=True,
        env={name: value for name, value in os.environ.items() if name != "NO_COLOR"},
    )
    os.close(writable)
    shown = read_to_end(readable).decode()
    assert shown.startswith(f"\x1b[1m\x1b[31m{REPORT.title}\x1b[0m")
    assert "\x1b[2m  kasan_report+0xda/0x110\x1b[0m" in shown


def test_listed_title_has_colour_of_show(tmp_path: Path) -> None:
    warning = make_report(
        id="00000000-000000000002-aaaa0000",
        title="WARNING in nic_stop",
        severity=ReportSeverity.WARNING,
        fingerprint=Fingerprint("1:7777aaaa11112222", "1:1", "1:2"),
    )
    spool = fill(tmp_path / "reports", [PANIC, warning])
    readable, writable = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "klogd_py", "reports", "--spool", str(spool)],
        stdout=writable,
        timeout=60,
        check=True,
        env={name: value for name, value in os.environ.items() if name != "NO_COLOR"},
    )
    os.close(writable)
    heading, panic, later = read_to_end(readable).decode().splitlines()
    assert heading.startswith("\x1b[1mISSUE")
    assert "\x1b[31mBUG: " in panic
    assert "  \x1b[33mWARNING in nic_stop" in later


def test_follow_goes_on_below_the_table(tmp_path: Path) -> None:
    spool = fill(tmp_path / "reports", [PANIC])
    words = ["reports", "-f", "--spool", str(spool)]
    process = subprocess.Popen(
        [sys.executable, "-m", "klogd_py", *words], stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert process.stdout is not None
    try:
        heading, first = (process.stdout.readline() for _ in range(2))
        fill(spool, [occurrence(1)])
        later = process.stdout.readline()
        assert first.startswith("9999 ")
        assert later.startswith("0123 ")
        assert later.index("KASAN") == first.index("BUG") == heading.index("TITLE")
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_follow_prints_what_comes_later(tmp_path: Path) -> None:
    spool = fill(tmp_path / "reports", [occurrence(1)])
    words = ["reports", "list", "-f", "--json", "--spool", str(spool)]
    process = subprocess.Popen(
        [sys.executable, "-m", "klogd_py", *words], stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline())["kind"] == "kasan"
        fill(spool, [PANIC])
        later = json.loads(process.stdout.readline())
        assert (later["id"], later["kind"]) == (PANIC.id, "null-deref")
    finally:
        process.terminate()
        process.communicate(timeout=30)
