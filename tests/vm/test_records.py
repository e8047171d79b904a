# SPDX-License-Identifier: GPL-2.0-or-later
"""Every record of the guest's /dev/kmsg is delivered complete, once and in order."""

import pytest

from tests.vm.lab.session import Session
from tests.vm.lines import lines_of, raw_records

EVERYWHERE = ("bare", "debian12", "debian13", "arm64")


@pytest.mark.guests(*EVERYWHERE)
@pytest.mark.parametrize(
    "kind", ["levels", "continued", "long", "control", "utf8", "fields", "flood", "two"]
)
def test_file_holds_every_record_of_the_ring(session: Session, kind: str) -> None:
    session.crash(kind)
    lines = lines_of(session)
    raw = raw_records(session.read_ring())
    reported = {line.seq: line.raw for line in lines}
    assert len(reported) == len(lines), "a record came twice"
    assert [line.seq for line in lines] == sorted(reported)
    # The ring may have overwritten its oldest records since klogd-py read them
    in_both = [record for record in raw if record.seq <= lines[-1].seq]
    assert in_both
    assert {record.seq: record.text for record in in_both} == {
        record.seq: reported.get(record.seq) for record in in_both
    }


@pytest.mark.guests(*EVERYWHERE)
def test_no_sequence_number_is_missing(session: Session) -> None:
    seqs = [line.seq for line in lines_of(session)]
    assert seqs == list(range(seqs[0], seqs[-1] + 1))


@pytest.mark.guests("debian12", "debian13")
def test_flood_loses_no_number_without_a_gap(
    session: Session,
) -> None:
    session.load()
    before, memory = session.last_seq(), session.memory_kib()
    session.machine.run("for i in $(seq 20); do echo flood >/proc/klogd_trouble; done", limit_s=300)
    covered = [span for span in session.spans() if span[0] > before]
    assert [first for first, _ in covered] == [before + 1, *(last + 1 for _, last in covered[:-1])]
    assert covered[-1][1] - before > 20_000
    assert session.memory_kib() < memory + 20_000
