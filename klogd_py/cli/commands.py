# SPDX-License-Identifier: GPL-2.0-or-later
"""The subcommands that answer and end: translate, lookup, maps, status, doctor, check-config."""

import os
import re
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from klogd_py.config import loader
from klogd_py.config.loader import DEFAULT_PATH, BadConfig
from klogd_py.config.run_options import RunOptions
from klogd_py.config.schema import Config
from klogd_py.doctor import runner
from klogd_py.monitoring.status import Status
from klogd_py.monitoring.status_socket import fetch_status
from klogd_py.monitoring.status_table import render_table
from klogd_py.oops.address_scanner import Kind
from klogd_py.pipeline import stream_filter
from klogd_py.pipeline.stream_filter import read_pieces, symbolize_piece, write_all
from klogd_py.pipeline.symbolize import FormatOptions, Style, look_up
from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols import description
from klogd_py.symbols.kaslr.inference import SlideSource
from klogd_py.symbols.map_check import MapStatus, Verdict
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.system.terminal import align_columns, is_coloured

# What to call it, its address, what is there
Answer = tuple[str, int | None, SymbolAddress | LookupFailure]

_NAME = re.compile(
    r"(?:(?P<before>\w+):)?(?P<name>[A-Za-z_.$][\w.$]*)"
    r"(?:\+(?:0x)?(?P<offset>[0-9a-f]+)(?:/(?:0x)?(?P<size>[0-9a-f]+))?)?(?: \[(?P<behind>\w+)\])?"
)
_ADDRESS = re.compile(r"\[?<?(?:0x)?([0-9a-f]{1,16})>?\]?", re.IGNORECASE)


def translate(invocation: RunOptions, files: Sequence[str]) -> int:
    """Copy text to standard output with names for its addresses.

    Everything else comes out byte for byte.
    """
    settings = invocation.load_config()
    found = load_symbols(invocation.build_symbol_sources(settings, may_be_foreign=True))
    status = report_errors(found, invocation)
    options = FormatOptions(
        Style(settings.translate.style),
        settings.translate.resymbolize,
        settings.translate.duplicate_raw,
    )
    for file in files or ["-"]:
        try:
            descriptor = (
                sys.stdin.fileno() if file == "-" else os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            )
        except OSError as error:
            print(f"klogd-py: {file}: {error.strerror}", file=sys.stderr)
            status = 1
            continue
        try:
            _filter(descriptor, found, options, "" if file == "-" else f"{file}: ")
        except IsADirectoryError as error:
            print(f"klogd-py: {file}: {error.strerror}", file=sys.stderr)
            status = 1
        finally:
            if file != "-":
                os.close(descriptor)
    return status


def _filter(descriptor: int, found: SymbolSet, options: FormatOptions, where: str) -> None:
    """Translate what one descriptor gives; ``where`` begins what is said of single lines."""
    output = sys.stdout.fileno()
    if not found.reads_traces:
        told = found
        doubtful = stream_filter.DoubtfulLines()
        for piece in read_pieces(descriptor):
            for release, part in stream_filter.split_by_boot(piece):
                if release:
                    told = found.for_release(release)
                    for remark in told.remarks[len(found.remarks) :]:
                        print(f"klogd-py: {remark}", file=sys.stderr)
                write_all(output, symbolize_piece(part, told.resolver.resolve, options, doubtful))
        _print_remarks(doubtful.remarks(where))
        return
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        boots = stream_filter.infer_boots(read_pieces(descriptor), found)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        boots = None
    stream = stream_filter.StreamFilter(found, boots)
    for piece in read_pieces(descriptor, lambda: stream.due_in_s(time.monotonic())):
        write_all(output, stream.push(piece, time.monotonic(), options))
    write_all(output, stream.flush(options))
    _print_remarks([*stream.messages, *stream.doubtful.remarks(where)])


def _print_remarks(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"klogd-py: {line}", file=sys.stderr)


def lookup(invocation: RunOptions, words: Sequence[str]) -> int:
    """Print the symbol at each address, or why there is none; status 1 if one of them has none."""
    found = load_symbols(
        invocation.build_symbol_sources(
            invocation.load_config(), may_be_foreign=invocation.names_symbol_sources
        )
    )
    report_errors(found, invocation)
    answers: list[Answer] = []
    for word in words:
        address, name = _ADDRESS.fullmatch(word), _NAME.fullmatch(word)
        if address is not None:
            value = int(address[1], 16)
            answers.append(
                (f"{value:#x}", value, look_up(value, Kind.CLASSIC, found.resolver.resolve))
            )
        elif name is not None:
            answers += _by_name(word, name, found)
        else:
            print(
                f"klogd-py: {word!r} is neither an address (up to 16 hexadecimal digits) "
                "nor a symbol such as vfs_write+0x1d/0x40",
                file=sys.stderr,
            )
            return 2
    if invocation.json:
        _print_json([_answer_document(*answer) | _reliance(answer[2], found) for answer in answers])
    else:
        rows = [
            (word, answer.kernel_form, answer.source)
            if isinstance(answer, SymbolAddress)
            else (word, "-", answer.value)
            for word, _, answer in answers
        ]
        print("\n".join(align_columns(rows)))
        if found.system_map is not None and _reliance(None, found):
            print(f"klogd-py: {description.slide_line(found)}", file=sys.stderr)
    return 0 if all(isinstance(answer, SymbolAddress) for _, _, answer in answers) else 1


def _by_name(word: str, given: re.Match[str], found: SymbolSet) -> list[Answer]:
    """Where a symbol can be: of several functions of one name the size tells which one is meant."""
    offset, size = (
        int(given["offset"] or "0", 16),
        int(given["size"], 16) if given["size"] else None,
    )
    module = given["before"] or given["behind"] or ""
    named = found.resolver.find_by_name(given["name"])
    fitting = [
        (f"{start + offset:#x}", start + offset, msgspec.structs.replace(place, offset=offset))
        for start, place in named
        if offset < place.size
        and (size is None or size == place.size)
        and module in ("", place.module.partition(",")[0])
    ]
    if not fitting:
        return [
            (word, None, LookupFailure.NO_MATCH if named else _why_unnamed(given["name"], found))
        ]
    return list(fitting)


def _why_unnamed(name: str, found: SymbolSet) -> LookupFailure:
    """Why no symbol of this name is to be had.

    It may be in the map, but where it runs is not known.
    """
    if not found.lacks_slide or found.system_map is None:
        return LookupFailure.NO_SUCH_NAME
    map_of = SymbolTable(found.system_map.lines, "")
    return (
        LookupFailure.NO_SUCH_NAME
        if map_of.address_of(name.encode("utf-8", "surrogateescape")) is None
        else LookupFailure.KASLR_UNKNOWN
    )


def maps(invocation: RunOptions) -> int:
    """Print every candidate map with its verdict, and what else names come from."""
    sources = invocation.build_symbol_sources(
        invocation.load_config(), may_be_foreign=invocation.names_other_release
    )
    found = load_symbols(sources, check_all=True)
    if invocation.json:
        _print_json(
            {
                "release": sources.release,
                "maps": [
                    _verdict_document(verdict, verdict is found.in_use)
                    for verdict in found.verdicts
                ],
                "slide": _slide_document(found),
                "bases": [
                    {
                        "module": base.module,
                        "address": f"{base.address:#x}",
                        "init": base.init,
                        "proof": base.proof,
                    }
                    for base in found.modules.bases
                ],
                "kallsyms": {
                    "path": sources.kallsyms,
                    "symbols": found.kernel_symbols,
                    "hidden": found.hidden,
                },
                "modules": {"path": sources.modules, "loaded": found.module_count},
                "remarks": list(found.remarks),
            }
        )
        return 0
    rows = [("", "VERDICT", "MAP", "REASON")]
    for verdict in found.verdicts:
        rows.append(
            (
                "*" if verdict is found.in_use else "",
                verdict.status.value,
                str(verdict.path),
                verdict.reason,
            )
        )
    print(f"Linux {sources.release or '(release unknown)'}: {description.headline(found)}\n")
    print("\n".join(align_columns(rows)) + "\n")
    if description.slide_line(found):
        print(f"slide     {description.slide_line(found).removeprefix('slide ')}")
    for line in description.base_lines(found.modules):
        print(line)
    shown = "addresses hidden" if found.hidden else f"{found.kernel_symbols} symbols"
    print(
        f"kallsyms  {sources.kallsyms or 'not used'}" + (f": {shown}" if sources.kallsyms else "")
    )
    there = f"{found.module_count} loaded" if os.path.exists(sources.modules) else "not there"
    print(f"modules   {sources.modules or 'not used'}" + (f": {there}" if sources.modules else ""))
    for remark in found.remarks:
        print(f"\nnote: {remark}")
    return 0


def status(invocation: RunOptions, socket: str) -> int:
    """Print what the running daemon tells of itself at ``socket``, by default the configured one;
    raises NoAnswer.
    """
    path = socket or _socket_of(invocation)
    if not path:
        print(
            "klogd-py: status.socket is empty in the configuration: the daemon tells nothing",
            file=sys.stderr,
        )
        return 1
    document = fetch_status(Path(path))
    try:
        told = msgspec.json.decode(document, type=Status)
    except msgspec.DecodeError as error:
        print(f"klogd-py: {path}: no status of klogd-py: {error}", file=sys.stderr)
        return 1
    if invocation.json:
        print(msgspec.json.format(document, indent=2).decode())
    else:
        print(render_table(told, is_coloured(sys.stdout)), end="")
    return 0


def doctor(invocation: RunOptions) -> int:
    """Check the machine; status 1 if something is wrong."""
    findings = runner.run_checks(invocation)
    if invocation.json:
        _print_json(findings)
    else:
        print(runner.format_report(findings, is_coloured(sys.stdout)), end="")
    return 0 if runner.has_no_errors(findings) else 1


def _socket_of(invocation: RunOptions) -> str:
    """Where the daemon listens.

    With a configuration that it would refuse it may still run on an older one.
    """
    try:
        return invocation.load_config().status.socket
    except BadConfig as error:
        print(f"klogd-py: {error}", file=sys.stderr)
        return Config().status.socket


def check_config(invocation: RunOptions, path: str) -> int:
    """Read the configuration as the daemon would.

    Raises BadConfig for `klogd_py.cli.main` to report.
    """
    named = path or invocation.config_path
    main = Path(named or DEFAULT_PATH)
    checked: Config = loader.load(main, must_exist=bool(named))
    invocation.look_up_user(checked)
    if invocation.json:
        print(msgspec.json.format(msgspec.json.encode(checked), indent=2).decode())
    else:
        for file in loader.list_files(main):
            print(f"{file}: {'ok' if os.path.exists(file) else 'not there, the defaults apply'}")
    return 0


def report_errors(found: SymbolSet, invocation: RunOptions) -> int:
    """Say on standard error which named source cannot be used; 1 if there is one."""
    unusable = [
        f"{verdict.path}: {verdict.reason}"
        for verdict in found.verdicts
        if invocation.map and verdict.status is not MapStatus.ACCEPTED
    ]
    for line in [*unusable, *found.remarks]:
        print(f"klogd-py: {line}", file=sys.stderr)
    return 1 if unusable or (found.remarks and invocation.names_symbol_sources) else 0


def _answer_document(
    word: str, address: int | None, answer: SymbolAddress | LookupFailure
) -> dict[str, object]:
    if isinstance(answer, LookupFailure):
        return {"word" if address is None else "address": word, "reason": answer.value}
    known = {
        "symbol": answer.name,
        "offset": answer.offset,
        "size": answer.size,
        "module": answer.module,
    }
    return {
        "address": f"{address:#x}",
        "text": answer.kernel_form,
        **known,
        "type": answer.kind,
        "source": answer.source,
    }


def _slide_document(found: SymbolSet) -> dict[str, object] | None:
    """What is known of the slide of the map in use; ``None`` without a map."""
    if found.slide is None:
        return {"reason": found.unproven_reason} if found.lacks_slide else None
    known = found.slide
    return {
        "value": f"{known.value:#x}",
        "source": known.source.value,
        "confidence": known.confidence,
        "proof": known.proof,
    }


def _reliance(answer: SymbolAddress | LookupFailure | None, found: SymbolSet) -> dict[str, object]:
    """On which slide an answer relies, where a slide plays a part in it."""
    moved = found.lacks_slide or (
        found.slide is not None and found.slide.source is not SlideSource.FIXED
    )
    from_map = found.in_use is not None and (
        not isinstance(answer, SymbolAddress) or answer.source == str(found.in_use.path)
    )
    return {"slide": _slide_document(found)} if moved and from_map else {}


def _verdict_document(verdict: Verdict, in_use: bool) -> dict[str, object]:
    return {
        "path": str(verdict.path),
        "verdict": verdict.status.value,
        "proof": verdict.proof.value if verdict.proof else None,
        "reason": verdict.reason,
        "slide": verdict.slide,
        "in_use": in_use,
    }


def _print_json(content: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(content), indent=2).decode())
