# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from klogd_py.oops.trace_parser import Frame, Trace, parse_trace
from klogd_py.symbols.modules import module_elf
from klogd_py.symbols.modules.base_inference import ModuleBase, contradiction, infer_bases
from klogd_py.symbols.modules.module_elf import ModuleFile
from tests.symbols.module_builder import build, needs_gcc

pytestmark = needs_gcc
BASE = 0xFFFFFFFFC0123000
PRINTK = 0xFFFFFFFF81234567
PROVED = ModuleBase("probe_it", BASE, "given")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> ModuleFile:
    return module_elf.load(build(tmp_path_factory.mktemp("module")), "probe_it")


def at(file: ModuleFile, name: str) -> int:
    return BASE + next(found.offset for found in file.core.functions if found.name == name.encode())


def names_at(address: int) -> set[str]:
    return {"_printk"} if PRINTK <= address < PRINTK + 0x40 else set()


def located(trace: Trace, file: ModuleFile, complete: bool = False) -> list[ModuleBase]:
    return infer_bases(
        trace, [file], complete, names_at, lambda address: address >= 0xFFFFFFFFC0000000
    )


def code_line(file: ModuleFile, pc: int, before: int) -> str:
    code = file.core.text[pc - before - BASE : pc - BASE + 20]
    words = [f"{byte:02x}" for byte in code]
    words[before] = f"<{words[before]}>"
    return "Code: " + " ".join(words)


def test_code_bytes_and_a_call_prove_bases(file: ModuleFile) -> None:
    pc = at(file, "helper") + 18
    trace = parse_trace(
        [
            f"RIP: 0010:{pc:#x}",
            code_line(file, pc, 18),
            "Call Trace:",
            f" {at(file, 'outer') + 13:#x}",
        ]
    )
    assert [base.address for base in located(trace, file)] == [BASE]


def test_code_bytes_of_another_module_show_nothing(file: ModuleFile) -> None:
    pc = at(file, "helper") + 18
    other = code_line(file, pc, 18).replace("34 12", "99 88").replace("44 55 66 77", "01 02 03 04")
    trace = parse_trace(
        [f"RIP: 0010:{pc:#x}", other, "Call Trace:", f" {at(file, 'outer') + 13:#x}"]
    )
    assert located(trace, file, complete=True) == []


def test_direct_calls_of_known_functions_show_the_base(file: ModuleFile) -> None:
    lines = [f" {PRINTK + 4:#x}", f" {at(file, 'logs') + 6:#x}", f" {at(file, 'far_away') + 6:#x}"]
    assert [
        base.address for base in located(parse_trace(["Call Trace:", *lines]), file, complete=True)
    ] == [BASE]


def test_two_frames_need_all_module_files(file: ModuleFile) -> None:
    trace = Trace((Frame(at(file, "far_away") + 6), Frame(at(file, "cold") + 5)))
    assert located(trace, file, complete=False) == []
    (base,) = located(trace, file, complete=True)
    assert (base.address, base.proof) == (BASE, "the only place for all 2 frames of an oops")


def test_one_frame_alone_shows_nothing(file: ModuleFile) -> None:
    assert located(Trace((Frame(at(file, "far_away") + 6),)), file, complete=True) == []


def test_an_unexplained_frame_leaves_no_base_proved(file: ModuleFile) -> None:
    frames = (
        Frame(at(file, "far_away") + 6),
        Frame(at(file, "cold") + 5),
        Frame(0xFFFFFFFFC0900123),
    )
    assert located(Trace(frames), file, complete=True) == []


def test_init_code_is_searched_only_while_loading(file: ModuleFile) -> None:
    init = 0xFFFFFFFFC0456000
    frames = [f" {PRINTK + 4:#x}", f" {init + 0xB:#x}"]
    loaded = parse_trace(["Call Trace:", *frames, "Modules linked in: probe_it"])
    loading = parse_trace(
        ["Call Trace:", *frames, f" {init + 0x6:#x}", "Modules linked in: probe_it(+)"]
    )
    assert located(loaded, file, complete=True) == []
    assert [(base.address, base.init) for base in located(loading, file, complete=True)] == [
        (init, True)
    ]


def test_a_later_frame_without_call_contradicts(file: ModuleFile) -> None:
    assert contradiction(Trace((Frame(at(file, "outer") + 13),)), file, PROVED, names_at) is None
    later = contradiction(Trace((Frame(at(file, "outer") + 12),)), file, PROVED, names_at)
    assert later is not None
    assert "no call before" in later


def test_the_weighing_of_a_long_trace_ends(file: ModuleFile) -> None:
    frames = tuple(Frame(0xFFFFFFFFC0000000 + 0x1001 * i) for i in range(5000))
    assert located(Trace(frames), file, complete=True) == []
