# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands, run as a user runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.json_documents import read_documents
from tests.symbols.kernels import BASE, KALLSYMS, MAP, moved
from tests.symbols.oopses import kernel

SEED_MAP = """\
c0100000 T _text
c010b800 T do_fork
c010b900 T sys_fork
c0120000 T schedule
c0120400 T wake_up
c0200000 A _end
"""
SEED = "EIP: 0010:[<c010b860>]\nCall Trace: [<c010b860>] [<c0120000>]\n"


def run(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "klogd_py", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=30, check=False)


def test_translate_names_what_the_named_map_knows(tmp_path: Path) -> None:
    (tmp_path / "map").write_text(SEED_MAP)
    done = run("translate", "--map", tmp_path / "map", stdin=SEED.encode())
    assert (
        done.stdout == b"EIP: 0010:[do_fork+0x60/0x100]\n"
        b"Call Trace: [do_fork+0x60/0x100] [schedule+0x0/0x400]\n"
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_map_for_foreign_text_ignores_running_release(
    tmp_path: Path,
) -> None:
    (tmp_path / "map").write_text(
        SEED_MAP.replace("c0200000 A _end", "c0130000 A Version_132114\nc0200000 A _end")
    )
    assert (
        b"[do_fork+0x60/0x100]"
        in run("translate", "--map", tmp_path / "map", stdin=SEED.encode()).stdout
    )
    refused = run(
        "translate", "--map", tmp_path / "map", "--release", "2.6.22", stdin=SEED.encode()
    )
    assert (refused.stdout, refused.returncode) == (SEED.encode(), 1)


@pytest.mark.parametrize(
    "text",
    [
        SEED.encode(),
        b"\x00\xff\xfe\r\n[<c010b860>]\r\n\x1b[31m no end",
        b"",
        b"\n\n",
        "RIP: 0010:0xffffffff81000100 \u00e9\n".encode() * 20_000,
    ],
)
def test_text_without_symbol_source_stays_unchanged(
    text: bytes,
) -> None:
    assert run("translate", stdin=text).stdout == text


def test_translate_keeps_line_ends_and_foreign_bytes(tmp_path: Path) -> None:
    (tmp_path / "map").write_text(SEED_MAP)
    done = run(
        "translate",
        "-k",
        tmp_path / "map",
        stdin=b"\xff\xe9 [<c010b860>] \xc3\xa9\r\nlast [<c010b860>]",
    )
    assert done.stdout == b"\xff\xe9 [do_fork+0x60/0x100] \xc3\xa9\r\nlast [do_fork+0x60/0x100]"


def test_translate_continues_after_a_missing_file(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").write_text("first\n")
    (tmp_path / "b").write_text("second\n")
    done = run("translate", tmp_path / "a", tmp_path / "missing", tmp_path, tmp_path / "b")
    assert done.stdout == b"first\nsecond\n"
    assert done.stderr.count(b"missing: No such file") == 1
    assert done.stderr.count(b"Is a directory") == 1
    assert done.returncode == 1


def test_translate_answers_before_its_input_ends(tmp_path: Path) -> None:
    (tmp_path / "map").write_text(SEED_MAP)
    command = [sys.executable, "-m", "klogd_py", "translate", "--map", str(tmp_path / "map")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"[<c010b860>]\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"[do_fork+0x60/0x100]\n"
        process.stdin.close()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--style", "append"], b"[<c010b860> do_fork+0x60/0x100]\n"),
        (["--style", "off"], b"[<c010b860>]\n"),
        (["-2"], b"[do_fork+0x60/0x100]\n[<c010b860>]\n"),
    ],
)
def test_translate_prints_addresses_in_the_selected_style(
    options: list[str], expected: bytes, tmp_path: Path
) -> None:
    (tmp_path / "map").write_text(SEED_MAP)
    assert (
        run("translate", "--map", tmp_path / "map", *options, stdin=b"[<c010b860>]\n").stdout
        == expected
    )


def test_unusable_map_is_reported_and_text_printed(
    tmp_path: Path,
) -> None:
    done = run("translate", "--map", tmp_path / "missing", stdin=SEED.encode())
    assert (done.stdout, done.returncode) == (SEED.encode(), 1)
    assert b"missing: no such file" in done.stderr


def test_lookup_prints_symbol_and_source_or_reason(tmp_path: Path) -> None:
    (tmp_path / "map").write_text(SEED_MAP)
    done = run("lookup", "--map", tmp_path / "map", "c010b860", "0xc0120000", "[<c0000000>]")
    assert done.stdout.decode().splitlines() == [
        f"0xc010b860  do_fork+0x60/0x100  {tmp_path}/map",
        f"0xc0120000  schedule+0x0/0x400  {tmp_path}/map",
        "0xc0000000  -                   no symbol contains this address",
    ]
    assert done.returncode == 1


@pytest.mark.parametrize("command", [["lookup", "c010b860"], ["maps"]], ids=["lookup", "maps"])
def test_map_is_read_where_translation_is_off(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "map").write_text(SEED_MAP)
    (tmp_path / "k.toml").write_text('translate.style = "off"\n')
    config, map_file = tmp_path / "k.toml", tmp_path / "map"
    done = run(*command, "--config", config, "--map", map_file, "--release", "2.4.18")
    assert done.returncode == 0
    assert f"{tmp_path}/map".encode() in done.stdout


def test_lookup_json_has_symbol_parts_or_reason(tmp_path: Path) -> None:
    (tmp_path / "map").write_text(SEED_MAP)
    done = run("lookup", "--json", "--map", tmp_path / "map", "c010b860", "0")
    assert json.loads(done.stdout) == [
        {
            "address": "0xc010b860",
            "text": "do_fork+0x60/0x100",
            "symbol": "do_fork",
            "offset": 0x60,
            "size": 0x100,
            "module": "",
            "type": "T",
            "source": f"{tmp_path}/map",
        },
        {"address": "0x0", "reason": "no symbol contains this address"},
    ]


@pytest.mark.parametrize(
    "banner",
    ["Linux version 2.6.30 (gcc) #1\n", "<4>[    0.000000] Linux version 6.1.0-9-amd64 (x) #1\n"],
)
def test_log_of_another_release_is_not_symbolized(tmp_path: Path, banner: str) -> None:
    (tmp_path / "System.map-2.6.21").write_text(SEED_MAP)
    line = b"EIP: 0010:[<c010b860>]\n"
    done = run(
        "translate", "--map", tmp_path / "System.map-2.6.21", stdin=line + banner.encode() + line
    )
    before, *after = done.stdout.splitlines(keepends=True)
    assert before == b"EIP: 0010:[do_fork+0x60/0x100]\n"
    assert after == [banner.encode(), line]
    assert b"made for Linux 2.6.21 by its name, the log is of Linux " in done.stderr


TWINS = """\
c0100000 T _text
c0100100 t init_once
c0100140 T do_fork
c0100200 t init_once
c0100290 T _etext
"""


@pytest.mark.parametrize(
    ("word", "lines"),
    [
        ("do_fork", ["0xc0100140  do_fork+0x0/0xc0  MAP"]),
        ("do_fork+0xbf/0xc0", ["0xc01001ff  do_fork+0xbf/0xc0  MAP"]),
        (
            "init_once",
            ["0xc0100100  init_once+0x0/0x40  MAP", "0xc0100200  init_once+0x0/0x90  MAP"],
        ),
        ("init_once+0x10/0x90", ["0xc0100210  init_once+0x10/0x90  MAP"]),
        (
            "init_once+0x40",
            ["0xc0100240  init_once+0x40/0x90  MAP"],
            # The other one is not so long
        ),
        (
            "init_once+0x10/0x41",
            ["init_once+0x10/0x41  -  no symbol of this name is so long, or in this module"],
        ),
        (
            "do_fork+0x1/0xc0 [nic]",
            ["do_fork+0x1/0xc0 [nic]  -  no symbol of this name is so long, or in this module"],
        ),
        ("vfs_read", ["vfs_read  -  no symbol has this name"]),
    ],
)
def test_lookup_of_symbol_uses_size_for_duplicates(
    word: str, lines: list[str], tmp_path: Path
) -> None:
    (tmp_path / "map").write_text(TWINS)
    done = run("lookup", "--map", tmp_path / "map", word)
    assert done.stdout.decode().splitlines() == [
        line.replace("MAP", f"{tmp_path}/map") for line in lines
    ]
    assert done.returncode == (1 if "  -  " in lines[0] else 0)


def test_lookup_refuses_neither_address_nor_symbol() -> None:
    done = run("lookup", "0", "vfs read")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().splitlines() == [
        'klogd-py: "vfs read" is neither an address (up to 16 hexadecimal digits) '
        "nor a symbol such as vfs_write+0x1d/0x40",
        "klogd-py: see klogd-py lookup --help",
    ]


def kernel_symbol(name: str) -> int:
    try:
        lines = Path("/proc/kallsyms").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[0], 16) for line in lines if line.split()[2:] == [name]), 0)


@pytest.mark.skipif(
    not kernel_symbol("vfs_read"), reason="needs a /proc/kallsyms that shows vfs_read"
)
def test_lookup_knows_the_running_kernel() -> None:
    done = run("lookup", hex(kernel_symbol("vfs_read") + 5))
    assert done.stdout.split()[1].startswith(b"vfs_read+0x5/0x")
    assert done.returncode == 0


def test_maps_accepts_one_map_and_explains_refusals(tmp_path: Path) -> None:
    old = b"c0100000 T f\nc0110000 A Version_%d\nc0200000 A _end\n"
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/System.map").write_bytes(old % (2 << 16 | 5 << 8 | 1))
    (tmp_path / "usr/src/linux").mkdir(parents=True)
    (tmp_path / "usr/src/linux/System.map").write_bytes(old % (2 << 16 | 4 << 8 | 18))
    done = run("maps", "--root", tmp_path, "--release", "2.4.18")
    lines = done.stdout.decode().splitlines()
    assert any(
        "refused" in line
        and "boot/System.map" in line
        and "made for Linux 2.5.1, the kernel is 2.4.18" in line
        for line in lines
    )
    assert any(
        line.startswith("*  accepted") and "usr/src/linux/System.map" in line for line in lines
    )
    assert done.returncode == 0


def test_maps_json_reports_verdict_proof_and_slide(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/osrelease").write_text("6.1.0\n")
    (tmp_path / "boot/System.map-6.1.0").write_bytes(MAP)
    (tmp_path / "proc/kallsyms").write_bytes(moved(KALLSYMS, 0x200000))
    answer = json.loads(run("maps", "--json", "--root", tmp_path).stdout)
    assert answer["release"] == "6.1.0"
    first = answer["maps"][0]
    assert (first["verdict"], first["proof"], first["slide"], first["in_use"]) == (
        "accepted",
        "kallsyms",
        0x200000,
        True,
    )
    looked_up = run("lookup", "--root", tmp_path, hex(BASE + 0x200000 + 0x45))
    assert b"function_1+0x5/0x40" in looked_up.stdout


def test_check_config_names_good_file_and_bad_key(
    tmp_path: Path,
) -> None:
    good = tmp_path / "good.toml"
    good.write_text('sinks = ["console"]\n')
    bad = tmp_path / "bad.toml"
    bad.write_text("[queue]\nlimit = 3\n")
    assert run("check-config", good).stdout.decode() == f"{good}: ok\n"
    relative = os.path.relpath(good)
    assert run("check-config", relative).stdout.decode() == f"{relative}: ok\n"
    done = run("check-config", bad)
    assert done.returncode == 78
    assert done.stderr.decode().startswith(
        f"klogd-py: {bad}: unknown key queue.limit; expected one of: limit_kib"
    )


@pytest.mark.parametrize("main", ["main", "klogd"])
@pytest.mark.parametrize(
    ("fault", "status"), [("RunOptions._load_config", 78), ("RunOptions.build_symbol_sources", 0)]
)
def test_unexpected_configuration_error_is_status_78(
    main: str, fault: str, status: int, tmp_path: Path
) -> None:
    (tmp_path / "k.toml").write_text('[state]\ncursor_file = ""\n[status]\nsocket = ""\n')
    (tmp_path / "capture").write_text("<6>one\n")
    program = (
        "import sys\n"
        "from klogd_py.cli import main as cli\n"
        "from klogd_py.config.run_options import RunOptions\n"
        "def trouble(*arguments, **named): raise RecursionError('trouble\\nin two lines')\n"
        f"{fault} = trouble\n"
        f"sys.exit(cli.{main}())\n"
    )
    options = [
        "--config",
        str(tmp_path / "k.toml"),
        "--input",
        str(tmp_path / "capture"),
        "--sink",
        f"file:{tmp_path}/log",
    ]
    options += ["-n", "--pid-file", str(tmp_path / "pid")] if main == "klogd" else []
    done = subprocess.run(
        [sys.executable, "-c", program, *options], capture_output=True, timeout=30, check=False
    )
    assert done.returncode == status
    assert done.stderr.count(b"unexpected error") == 1
    assert b"Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    if status == 0:
        assert b"one" in (tmp_path / "log").read_bytes()


HOSTILE: dict[str, Callable[[Path], object]] = {
    "FIFO": os.mkfifo,
    "directory": os.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "terabyte": lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 1 << 40),
    "wrong type": lambda path: path.write_text("sinks = 3\n"),
    "typo in a sink's table": lambda path: path.write_text(
        '[[sinks]]\nname = "file:/x"\nwhen_full = "dropp"\n'
    ),
    "unknown key in a sink's table": lambda path: path.write_text(
        '[[sinks]]\nname = "file:/x"\nfoo = 1\n'
    ),
    "long number": lambda path: path.write_text("console_level = " + "9" * 5000),
    "nested": lambda path: path.write_text("sinks = " + "[" * 50_000),
    "many parts": lambda path: path.write_text("a." * 30_000 + "b = 1"),
    "renamed key": lambda path: path.write_text("[outbox]\nlimit_kib = 64\n"),
    "NUL": lambda path: path.write_text('symbols.map = "/a\\u0000b"'),
    "not UTF-8": lambda path: path.write_bytes(b'user = "\xff\xfe"'),
    "unknown user": lambda path: path.write_text('user = "no-such-user-here"'),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_configuration_error_is_two_lines_with_remedy(tmp_path: Path, kind: str) -> None:
    bad = tmp_path / "a bad.toml"
    HOSTILE[kind](bad)
    ways: tuple[tuple[str | Path, ...], ...] = (
        ("--config", bad, "--once"),
        ("check-config", bad),
        ("--config", bad, "check-config"),
    )
    for arguments in ways:
        done = run(*arguments)
        wrong, remedy = done.stderr.decode().splitlines()
        assert (done.returncode, done.stdout) == (78, b"")
        assert wrong.startswith(
            "klogd-py: key user" if kind == "unknown user" else f"klogd-py: {bad}: "
        )
        assert remedy == f"klogd-py: correct it, then run: klogd-py check-config '{bad}'"


@pytest.mark.parametrize(
    "path", ["/", ".", "/dev/null/x", "x" * 5000, "/proc/self/mem", "/proc/self/root"]
)
def test_path_without_a_configuration_is_refused(path: str) -> None:
    done = run("--config", path, "check-config")
    assert (done.returncode, len(done.stderr.splitlines())) == (78, 2)


@pytest.mark.parametrize("words", [["--config", ""], ["check-config", ""]], ids=" ".join)
def test_empty_name_of_a_configuration_is_wrong_usage(words: list[str]) -> None:
    done = run(*words)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 2)


def assert_two_lines_with_remedy(done: subprocess.CompletedProcess[bytes]) -> None:
    wrong, remedy = done.stderr.decode().splitlines()
    assert wrong.startswith("klogd-py: ")
    assert remedy.startswith(("klogd-py: see klogd-py ", "Did you mean: klogd-py "))


NOT_UTF_8 = os.fsdecode(b"/tmp/\xff")


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            [option, NOT_UTF_8]
            for option in (
                "--map",
                "--kallsyms",
                "--modules",
                "--module-files",
                "--root",
                "--config",
            )
        ),
        *(
            [option, NOT_UTF_8]
            for option in ("--release", "--sink", "-f", "--input", "--user", "--pid-file")
        ),
        ["--sink", f"file:{NOT_UTF_8}"],
        ["--sink", f"syslog:/{'x' * 200}"],
        ["--sink", f"file:/{'x' * 5000}"],
        ["check-config", NOT_UTF_8],
        ["status", "--socket", NOT_UTF_8],
        ["lookup", NOT_UTF_8],
        ["lookup", "--slide", "9" * 5000, "0"],
        ["--input-format", NOT_UTF_8],
        ["--log-level", NOT_UTF_8],
        [NOT_UTF_8],
        ["-c", "9" * 5000],
        ["-c", "\u0664"],
    ],
)
def test_impossible_option_value_is_status_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert_two_lines_with_remedy(done)


def test_options_that_contradict_one_another_are_told(tmp_path: Path) -> None:
    done = run(
        "--config",
        "/dev/null",
        "--sink",
        f"file:{tmp_path}/x",
        "--sink",
        f"file:{tmp_path}/../{tmp_path.name}/x",
        "--once",
    )
    assert done.returncode == 78
    assert (
        done.stderr.decode()
        .splitlines()[0]
        .startswith("klogd-py: command line: key sinks: expected each sink once")
    )
    assert done.stderr.decode().splitlines()[1] == "klogd-py: see klogd-py --help"


def test_file_name_of_any_bytes_is_accepted(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff"
    Path(os.fsdecode(name)).write_text("text\n")
    assert run("translate", os.fsdecode(name)).stdout == b"text\n"
    done = run("translate", os.fsdecode(name + b"x"))
    assert (done.returncode, b"No such file" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["-c", ""],
        ["-c", "9"],
        ["-c", "x"],
        ["-k"],
        ["--sink", "foo"],
        ["--once", "extra"],
        ["lookup"],
    ],
)
def test_misuse_is_two_lines_with_status_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert_two_lines_with_remedy(done)


def test_the_version_is_printed_with_status_0() -> None:
    done = run("-v")
    assert (done.returncode, done.stdout.startswith(b"klogd-py ")) == (0, True)


def test_closed_output_pipe_ends_the_filter_quietly() -> None:
    command = [sys.executable, "-m", "klogd_py", "translate", "--style", "off"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(b"text\n")
        process.stdin.close()
        assert process.stderr.read() == b""


def test_every_input_format_keeps_its_level(tmp_path: Path) -> None:
    (tmp_path / "map").write_text(SEED_MAP)
    (tmp_path / "oops").write_text("<4>EIP: 0010:[<c010b860>]\n<6>next\n")
    output = tmp_path / "log"
    config = tmp_path / "c.toml"
    config.write_text('[file]\nformat = "json"\n')
    done = run(
        "--config",
        config,
        "--input",
        tmp_path / "oops",
        "--map",
        tmp_path / "map",
        "--sink",
        f"file:{output}",
    )
    first, second = read_documents(output.read_bytes())
    assert done.returncode == 0
    assert (first["severity"], first["text"]) == ("warning", "EIP: 0010:[do_fork+0x60/0x100]")
    assert (first["raw"], first["symbols"]) == ("EIP: 0010:[<c010b860>]", ["do_fork+0x60/0x100"])
    assert (second["severity"], second["text"]) == ("info", "next")


def test_foreign_text_is_not_named_by_running_kernel(tmp_path: Path) -> None:
    address = kernel_symbol("vfs_read") or 0xFFFFFFFF81000000
    (tmp_path / "oops").write_text(f"<4>RIP: 0010:{address + 5:#x}\n")
    done = run("--config", os.devnull, "--input", tmp_path / "oops", "--sink", "console")
    assert f"{address + 5:#x}".encode() in done.stdout


MODERN = kernel(Random(40), slide=0x1A000000)


def test_lookup_and_maps_report_the_slides_source(
    tmp_path: Path,
) -> None:
    (tmp_path / "map").write_bytes(MODERN.map)
    address = hex(MODERN.starts["vfs_write"] + 0x1A000000)
    unknown = run("lookup", "--map", tmp_path / "map", address)
    assert unknown.returncode == 1
    assert b"may be randomised (KASLR)" in unknown.stdout
    assert b"slide not known" in unknown.stderr
    known = run("lookup", "--json", "--map", tmp_path / "map", "--slide", "1a000000", address)
    (answer,) = json.loads(known.stdout)
    assert (answer["symbol"], answer["slide"]["value"], answer["slide"]["confidence"]) == (
        "vfs_write",
        "0x1a000000",
        "taken on trust",
    )
    listed = run(
        "maps", "--root", tmp_path, "--release", "6.1.0", "--map", tmp_path / "map"
    ).stdout.decode()
    assert "slide     not known, the map names nothing yet: no oops has shown it" in listed


def test_maps_json_has_the_slide_and_source(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/System.map-6.1.0").write_bytes(MODERN.map)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cmdline").write_text("ro quiet nokaslr\n")
    answer = json.loads(run("maps", "--json", "--root", tmp_path, "--release", "6.1.0").stdout)
    assert (answer["slide"]["value"], answer["slide"]["source"]) == ("0x0", "fixed")
    assert "nokaslr" in answer["slide"]["proof"]


def test_a_slide_that_is_no_number_is_misuse() -> None:
    assert b"expected a hexadecimal number" in run("lookup", "--slide", "far", "0").stderr


@pytest.mark.parametrize(
    ("slide", "reason"),
    [("1000", b"is no multiple of 0x200000"), ("7" * 20, b"0x77777777777777777777")],
)
def test_impossible_slide_is_refused_with_a_reason(
    slide: str, reason: bytes, tmp_path: Path
) -> None:
    (tmp_path / "map").write_bytes(MODERN.map)
    done = run("lookup", "--map", tmp_path / "map", "--slide", slide, "ffffffff81001000")
    assert done.returncode == 1
    assert b"vfs_write" not in done.stdout
    assert reason in done.stderr


def test_lookup_of_symbol_reports_unknown_slide(tmp_path: Path) -> None:
    (tmp_path / "map").write_bytes(MODERN.map)
    assert (
        b"may be randomised (KASLR)" in run("lookup", "--map", tmp_path / "map", "vfs_write").stdout
    )
    assert (
        b"no symbol has this name" in run("lookup", "--map", tmp_path / "map", "vfs_wrote").stdout
    )


@pytest.mark.parametrize(
    ("banner", "named"),
    [("", False), ("Linux version 6.1.0 (", False), ("Linux version 2.6.32 (", True)],
)
def test_map_of_unknown_architecture_serves_old_kernels(
    banner: str, named: bool, tmp_path: Path
) -> None:
    (tmp_path / "map").write_text(
        "ffffffff81000000 T _text\nffffffff81001000 T vfs_write\nffffffff81002000 B _end\n"
    )
    done = run(
        "translate",
        "--map",
        tmp_path / "map",
        stdin=f"{banner}\nRIP: 0010:[<ffffffff81001010>]\n".encode(),
    )
    assert (b"vfs_write+0x10/0x1000" in done.stdout) is named
