# SPDX-License-Identifier: GPL-2.0-or-later
"""What must hold for any bytes, parser by parser.

A check raises AssertionError, or an exception that the parser should not raise.
"""

import os
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from klogd_py.config import loader, toml_text
from klogd_py.config.errors import BadConfig, NotToml, WrongKey
from klogd_py.config.output_sections import SinkTable
from klogd_py.config.schema import Config
from klogd_py.config.sink_merge import merge_sinks
from klogd_py.line_prefix.grammar import ANY_PREFIX, grammar_of
from klogd_py.line_prefix.pieces import DMESG, SYSLOG
from klogd_py.line_prefix.reader import PrefixReader
from klogd_py.line_prefix.terminal import strip_controls
from klogd_py.oops import provenance
from klogd_py.oops.address_scanner import find
from klogd_py.oops.provenance import Origin
from klogd_py.oops.trace_parser import parse_trace
from klogd_py.pipeline.symbolize import FormatOptions, Style, SymbolizedText, symbolize_text
from klogd_py.record.report import Report
from klogd_py.record.types import Gap, LookupFailure, Record
from klogd_py.reports import document
from klogd_py.reports.describe import describe
from klogd_py.reports.detection.headers import find_header
from klogd_py.reports.detection.open_report import MAX_LINES
from klogd_py.reports.detection.recent_entries import CONTEXT_LINES
from klogd_py.sinks import cursor_format
from klogd_py.sinks.cursor_format import NotCursors
from klogd_py.sources import kmsg_format
from klogd_py.sources.binary_content import find_binary
from klogd_py.sources.capture import Capture
from klogd_py.sources.input_file import InputFile
from klogd_py.sources.klogd_format import parse_klogd
from klogd_py.symbols import kallsyms, packed_files, system_map, vmlinux
from klogd_py.symbols.call_decoder import DECODERS
from klogd_py.symbols.elf import RELA, Elf
from klogd_py.symbols.elf_header import NotElf, build_id
from klogd_py.symbols.kallsyms import NotKallsyms
from klogd_py.symbols.kaslr import vmcoreinfo
from klogd_py.symbols.kaslr.architecture import X86_64
from klogd_py.symbols.kaslr.inference import KaslrInference
from klogd_py.symbols.modules import module_elf, proc_modules
from klogd_py.symbols.modules.module_elf import NoModuleFile
from klogd_py.symbols.packed_files import NotUnpacked
from klogd_py.symbols.symbol_line import is_name
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import NotAMap, is_in_order, rebuild
from klogd_py.system.unpacking import packed_form
from tests.corpus.reported import reports_in
from tests.fuzz import seeds
from tests.printk_forms import FORMS
from tests.sources.captured import read_to_end
from tests.symbolizer import everywhere, nowhere, symbolize_piece

MAX_MESSAGE = 800


class Target(Struct, frozen=True):
    """A check, and its seeds."""

    check: Callable[[bytes], None]
    seeds: Sequence[bytes]


def check_find(raw: bytes) -> None:
    """Matches are in order, disjoint, and inside of the text."""
    text = raw.decode("utf-8", "surrogateescape")
    for include_symbolized in (False, True):
        end = -1
        for match in find(text, include_symbolized):
            assert max(end, 0) <= match.start <= match.end <= len(text)
            assert match.start > end or match.start < match.end
            assert 0 <= match.address < 1 << 64
            end = match.end


def check_symbolize_text(raw: bytes) -> None:
    """Without symbols a text is unchanged; with them only matches change, and only once."""
    text = raw.decode("utf-8", "surrogateescape")
    for style in Style:
        found = symbolize_text(text, nowhere, FormatOptions(style=style))
        failures = [LookupFailure.NO_SYMBOLS] * len(find(text)) if style is not Style.OFF else []
        assert found == SymbolizedText(text, (), tuple(failures))
    once = symbolize_text(text, everywhere, FormatOptions())
    assert len(once.symbols) == len(find(text))
    assert symbolize_text(once.text, everywhere, FormatOptions()).text == once.text


def check_stream_filter(raw: bytes) -> None:
    """A piece of text without symbols comes out byte for byte."""
    assert symbolize_piece(raw, nowhere, FormatOptions()) == raw
    symbolize_piece(raw, everywhere, FormatOptions())


def check_trace_parser(raw: bytes) -> None:
    """Any text can be parsed and scored as a trace."""
    trace = parse_trace(raw.decode("latin-1").splitlines())
    _GROUND.infer(trace)


def check_provenance(raw: bytes) -> None:
    """A user's bytes in any message are neither symbolized nor trusted."""
    form = _HARMLESS[raw[0] % len(_HARMLESS)] if raw else _HARMLESS[0]
    record = Record(form.text(raw[1:].decode("utf-8", "surrogateescape")), 4, 1, 1)
    assert provenance.evidence_lines(record, Origin.RECORDS) == []
    matches = find(record.text)
    assert not matches or provenance.withheld_reason(record, matches, Origin.RECORDS) is not None


def check_line_prefix(raw: bytes) -> None:
    """Head and text of a record are the line of the capture."""
    line = raw.decode("utf-8", "surrogateescape").replace("\n", " ")
    klogd = parse_klogd(line)
    assert klogd.head + klogd.text == line
    for grammar in (ANY_PREFIX, grammar_of(DMESG), grammar_of(SYSLOG)):
        record = PrefixReader(grammar=grammar).read(line)
        assert record.head + record.text + record.tail == line


def check_kmsg_format(raw: bytes) -> None:
    """Any read gives one record; one that is parsed can be rendered and parsed again."""
    (record,) = kmsg_format.parse_all([raw])
    if record.unparsed:
        assert record.text.encode("utf-8", "surrogateescape") == raw.removesuffix(b"\n")
    elif not record.truncated:
        again = kmsg_format.parse(kmsg_format.render(record))
        assert (again.text, again.prefix, again.seq) == (record.text, record.prefix, record.seq)


def check_capture(raw: bytes) -> None:
    """Everything that comes through a pipe is in some record; no byte of text is lost."""
    size, number, content = raw[0] % 40 + 1 if raw else 1, raw[1] if len(raw) > 1 else 0, raw[2:]
    form = ("klogd", "dmesg", "kmsg", "syslog", "auto")[number % 5]
    readable, writable = os.pipe()
    if (
        packed_form(content)
        or find_binary(content)
        or content.startswith((b"\xff\xfe", b"\xfe\xff"))
    ):
        return
    source = Capture(InputFile(readable, "pipe"), form, max_record_bytes=16)
    records: list[Record | Gap] = []
    for start in range(0, len(content), size):
        os.write(writable, content[start : start + size])
        records += source.read_batch() if start // size % 3 else []
    os.close(writable)
    records += read_to_end(source)
    source.close()
    messages = [record for record in records if isinstance(record, Record)]
    # Escape sequences and byte order marks, which are left out, may be cut.
    if form in ("klogd", "dmesg") and b"\x1b" not in content and b"\xef\xbb\xbf" not in content:
        given = "".join(record.head + record.text + record.tail for record in messages)
        shown = content.replace(b"\n", b"").decode("utf-8", "surrogateescape")
        # A character may be cut, too.
        left, right = (
            strip_controls(text).encode("utf-8", "surrogateescape") for text in (given, shown)
        )
        assert left == right
    assert source.drain_pending() == []


def check_kallsyms(raw: bytes) -> None:
    """Any bytes are kallsyms or refused."""
    with suppress(NotKallsyms):
        found = kallsyms.parse(raw)
        for table in (found.core, found.modules):
            if isinstance(table, SymbolTable):
                _look_around(table)


def check_system_map(raw: bytes) -> None:
    """Any lines can be put in order, or are refused."""
    # An empty file cannot be mapped at all
    if not raw:
        return
    in_order = rebuild(raw).lines
    is_in_order(raw)
    with suppress(ValueError):
        _look_around(SymbolTable(in_order, ""))


def check_modules(raw: bytes) -> None:
    """Any text makes a list of modules."""
    found = proc_modules.parse(raw.decode("utf-8", "replace"))
    for base in found.bases.values():
        place = found.resolve(base)
        assert isinstance(place, LookupFailure) or is_name(place.module.encode())


def check_elf(raw: bytes) -> None:
    """Any bytes are an ELF file or refused."""
    with suppress(NotElf):
        image = Elf(raw)
        assert all(symbol.section >= 0 for symbol in image.iter_symbols())
        for section in image.sections:
            assert len(image.bytes_of(section)) <= len(raw)
            if section.kind == RELA:
                list(image.relocations(section))
        int(image.build_id or "0", 16)


def check_module_file(raw: bytes) -> None:
    """Any bytes are a module or refused, and its functions are in order."""
    with suppress(NotElf):
        found = module_elf.parse(raw, "nic")
        for code in (found.core, found.init):
            assert len(code.changed) == len(code.text)
            places = [function.offset for function in code.functions]
            assert places == sorted(places)
            rows = module_elf.table_lines(code, "nic", 0xFFFFFFFFC0000000)
            assert not any(b"\n" in row for row in rows)
            _look_around(SymbolTable(b"\n".join(rows) + b"\n", ""))


def check_vmlinux(raw: bytes) -> None:
    """Any ELF file makes a map, if only an empty one."""
    with suppress(NotElf):
        lines_of = vmlinux.map_lines(Elf(raw))
        assert not lines_of or lines_of.endswith(b"\n")
        if lines_of:
            _look_around(SymbolTable(lines_of, ""))


def check_files(raw: bytes) -> None:
    """Any file is a map, an image or a module, or refused with the documented exception."""
    with _file(raw) as path:
        for load in (system_map.load, vmlinux.load):
            with suppress(NotAMap):
                found = load(path)
                _look_around(SymbolTable(found.lines, ""))
                if found.text is not None:
                    assert len(found.text.bytes_at(0x1010, 64)) <= 64
        with suppress(NoModuleFile):
            module_elf.load(path, "nic")


def check_unpacking(raw: bytes) -> None:
    """Any bytes are unpacked to no more than the limit, or refused."""
    if packed_files.is_packed(raw):
        with suppress(NotUnpacked):
            assert len(packed_files.unpack(raw)) <= packed_files.MAX_BYTES


def check_calls(raw: bytes) -> None:
    """A call ends where it is said to, and there are no more calls than opcodes of calls."""
    for decoder in DECODERS.values():
        ends = list(decoder.call_ends(raw))
        assert len(ends) <= decoder.count_opcodes(raw)
        assert all(decoder.call_ends_at(raw, at) for at in ends)
        assert {call.end for call in decoder.direct_calls(raw)} <= set(ends)


def check_kcore(raw: bytes) -> None:
    """Any bytes are notes, or a core file with notes, or nothing."""
    vmcoreinfo.parse(raw)
    build_id(raw)
    descriptor = os.memfd_create("core")
    try:
        os.write(descriptor, raw)
        # To which `vmcoreinfo.load` has an answer
        with suppress(OSError, NotElf):
            vmcoreinfo.parse(vmcoreinfo.read_notes(descriptor) or b"")
    finally:
        os.close(descriptor)


@contextmanager
def _file(raw: bytes) -> Iterator[Path]:
    descriptor = os.memfd_create("file")
    try:
        os.write(descriptor, raw)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def check_config(raw: bytes) -> None:
    """Any bytes are a configuration or refused in one line; what is accepted is accepted again.

    Their sinks are also added to the default, as those of a drop-in are.
    """
    try:
        content = loader.parse(raw, "x")
        _check_sinks_of_drop_in(content)
        taken = loader.convert(content, "x")
    except (BadConfig, WrongKey) as error:
        message = f"x: {error}" if isinstance(error, WrongKey) else str(error)
        if not message.startswith("x: ") or not message.isprintable() or len(message) > MAX_MESSAGE:
            raise AssertionError(f"no line for an operator: {message[:MAX_MESSAGE]!r}") from error
        return
    assert loader.convert(msgspec.to_builtins(taken), "x") == taken
    msgspec.json.encode(taken)


def _check_sinks_of_drop_in(content: dict[str, object]) -> None:
    added = msgspec.convert(content.get("sinks", ()), tuple[str | SinkTable, ...])
    merged = merge_sinks(Config().sinks, added)
    loader.convert({"sinks": msgspec.to_builtins(merged)}, "x")
    assert merge_sinks((), merged) == merged


def check_toml(raw: bytes) -> None:
    """Any bytes are TOML or refused; what tomllib accepts is accepted within the limits."""
    try:
        content = toml_text.parse(raw)
    except NotToml as error:
        reason = str(error)
    else:
        assert repr(content) == repr(tomllib.loads(raw.decode()))
        return
    assert reason
    if "more than" not in reason and "larger than" not in reason:
        with suppress(ValueError, RecursionError):
            raise AssertionError(f"refused for {reason}: {tomllib.loads(raw.decode())!r}")


def check_reports(raw: bytes) -> None:
    """Any bytes are a capture; a report has its header, and lines and a title of bounded length."""
    for report in reports_in(raw):
        assert find_header(report.header.text) is not None
        assert len(report.lines) <= MAX_LINES
        assert len(report.context) <= CONTEXT_LINES
        described = describe(report)
        assert described.title
        assert len(described.title) < MAX_MESSAGE
        assert msgspec.json.decode(document.encode(described), type=Report).kind == described.kind


def check_position(raw: bytes) -> None:
    """Any bytes are a position or refused; what is accepted can be written and read."""
    with suppress(NotCursors):
        found = cursor_format.parse(raw)
        assert all(
            type(seq) is int and 0 <= seq <= cursor_format.MAX_SEQ for seq in found.next.values()
        )
        written = cursor_format.render(found.boot_id, found.positions)
        assert cursor_format.parse(written).positions == found.positions
        for cut in range(0, len(written), 7):
            with suppress(NotCursors):
                again = cursor_format.parse(written[:cut] + bytes(len(written) - cut))
                assert again.positions == found.positions


def _look_around(table: SymbolTable) -> None:
    """Whatever a table names contains the address, and is a name."""
    for line in table.sample(8):
        for address in (line.address - 1, line.address, line.address + 1):
            place = table.resolve(address)
            assert isinstance(place, LookupFailure) or (
                0 <= place.offset < place.size and is_name(place.name.encode())
            )
    table.resolve(0)
    table.resolve((1 << 64) - 1)


_GROUND = KaslrInference(SymbolTable(seeds.KALLSYMS[0], ""), X86_64)
_HARMLESS = [
    form
    for form in FORMS
    if not provenance.evidence_lines(Record(form.text("x"), 4, 1, 1), Origin.RECORDS)
]
_TEXTS = [*seeds.LINES, *seeds.CAPTURES]

TARGETS: dict[str, Target] = {
    "find": Target(check_find, _TEXTS),
    "symbolize_text": Target(check_symbolize_text, _TEXTS),
    "stream_filter": Target(check_stream_filter, [*_TEXTS, *seeds.OOPSES]),
    "provenance": Target(
        check_provenance, [bytes((at,)) + user for at in range(0, 150, 7) for user in seeds.USERS]
    ),
    "reports": Target(check_reports, [*seeds.CRASHES, *seeds.OOPSES]),
    "trace_parser": Target(check_trace_parser, [*seeds.LINES, *seeds.OOPSES]),
    "line_prefix": Target(check_line_prefix, seeds.CAPTURES),
    "kmsg_format": Target(check_kmsg_format, seeds.RECORDS),
    "capture": Target(
        check_capture,
        [
            bytes((7, number)) + seed
            for number, seed in enumerate([*seeds.RECORDS, *seeds.CAPTURES])
        ],
    ),
    "kallsyms": Target(check_kallsyms, seeds.KALLSYMS),
    "system_map": Target(check_system_map, seeds.KALLSYMS),
    "modules": Target(check_modules, seeds.MODULES),
    "elf": Target(check_elf, seeds.IMAGES),
    "module_file": Target(check_module_file, seeds.IMAGES),
    "vmlinux": Target(check_vmlinux, seeds.IMAGES),
    "files": Target(check_files, [*seeds.IMAGES, *seeds.PACKED, *seeds.KALLSYMS]),
    "unpacking": Target(check_unpacking, seeds.PACKED),
    "calls": Target(check_calls, seeds.CODE),
    "config": Target(check_config, seeds.CONFIGURATIONS),
    "toml": Target(check_toml, seeds.CONFIGURATIONS),
    "position": Target(check_position, seeds.POSITIONS),
    "kcore": Target(check_kcore, [*seeds.NOTES, *seeds.CORES]),
}
