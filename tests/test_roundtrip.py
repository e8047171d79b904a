# SPDX-License-Identifier: GPL-2.0-or-later
"""Test the command that takes names out of logs and puts them back."""

from pathlib import Path

import pytest

from klogd_py.line_prefix.reader import read_line
from tests.corpus.logs import COLLECTION, OWN, needs_collection
from tests.corpus.roundtrip import FIRST_BYTE, HASHED, main, report, tally

BACK = [
    "[    1.000000]  [<ffffffff8163654b>] dump_stack+0x19/0x1b",
    "RIP: 0010:[<ffffffff811c6ed5>]  [<ffffffff811c6ed5>] fn.isra.7+0xa5/0x350 [nic]",
    " [<ffffffff810b01c0>] ? rescuer_thread+0x2a0/0x2a0",
    "[c000000010f93150] [c000000008028668] .rtas_read_config+0x128/0x170 (unreliable)",
    "[<c03017f4>] (gic_handle_irq) from [<c0e9b030>] (__irq_svc+0x70/0x98)",
    "epc   : 8029a238 init_dev+0x8c/0x56c     Not tainted",
    "Krnl PSW : 0704c00180000000 000003ff7ffb36d2 (fn+0x52/0x68 [xfs])",
    "       <ffffffff880f7039>{:ipath_core:ipath_close+1616} <ffffffff8018afeb>{__fput+183}",
    " [<ffffffff8802c8e9>] :jbd:log_wait_commit+0xa3/0xf5",
    "[<801010e8>] ret_from_fork+0x0/0x14",
]


def log(folder: Path, lines: list[str]) -> Path:
    (folder / "here").mkdir()
    (folder / "here" / "oops").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize("line", BACK)
def test_frame_with_symbols_comes_back(tmp_path: Path, line: str) -> None:
    found = tally(log(tmp_path, [line]))
    assert found.back == found.frames
    assert found.frames.total() > 0


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([" [<8013479c>] warn_slowpath_fmt+0x0/0x5c"], FIRST_BYTE),
        (["RIP: 0010:fn+0x1/0x2", "    [<0000000013155f90>] usb_hcd_irq+0x10/0x20"], HASHED),
    ],
)
def test_frame_that_stays_away_has_its_reason(
    tmp_path: Path, lines: list[str], reason: str
) -> None:
    found = tally(log(tmp_path, lines))
    assert (dict(found.reasons), found.unexplained) == ({reason: 1}, [])
    assert any(reason in line for line in report(found))


def test_frame_in_unknown_form_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [
                str(
                    log(
                        tmp_path,
                        [BACK[0], "went wrong near 0xffffffff8163654b dump_stack+0x19/0x1b"],
                    )
                )
            ]
        )
        == 1
    )
    assert "unexplained: here/oops:2: went wrong near" in capsys.readouterr().out


def test_frame_in_prose_is_counted_as_weak(tmp_path: Path) -> None:
    text = read_line(BACK[0]).text
    found = tally(log(tmp_path, [f"message:calltrace:x: {text}", f'{BACK[0]} "']))
    assert (found.back.total(), found.weak.total(), found.unexplained) == (2, 2, [])


def test_names_without_address_are_counted_apart(tmp_path: Path) -> None:
    found = tally(log(tmp_path, [" vfs_write+0x1d/0x40 [ext4]", BACK[0]]))
    assert (found.frames.total(), found.alone.total()) == (1, 1)


def test_folder_without_frames_is_an_error(tmp_path: Path) -> None:
    assert main([str(log(tmp_path, ["usb 1-1: new device"]))]) == 1


def test_every_frame_of_own_logs_comes_back() -> None:
    found = tally(OWN)
    assert (found.reasons.total(), found.unexplained) == (0, [])
    assert found.back == found.frames
    assert len(found.frames) >= 4


@needs_collection
def test_collection_comes_back_or_has_reasons() -> None:
    found = tally(COLLECTION)
    assert found.unexplained == []
    assert found.back.total() > 9_900
    assert found.weak.total() * 250 < found.back.total()
    assert found.back.total() + found.excepted.total() == found.frames.total()
