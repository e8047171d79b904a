# SPDX-License-Identifier: GPL-2.0-or-later
"""A status document with a value in every part."""

from klogd_py.monitoring.status import (
    InputState,
    JobFailure,
    MapState,
    NamesState,
    OopsState,
    ReloadResult,
    SinkState,
    Status,
)

SEVERITIES = {
    "emerg": 0,
    "alert": 1,
    "crit": 0,
    "err": 2,
    "warning": 3,
    "notice": 0,
    "info": 1195,
    "debug": 0,
}


def sink(
    name: str = "syslog:/dev/log", state: str = "up", error: str = "", lost: int = 0
) -> SinkState:
    return SinkState(
        name=name,
        state=state,
        queued=3 if error else 0,
        queued_bytes=2048 if error else 0,
        limit_bytes=8 << 20,
        delivered=1201,
        lost=lost,
        gaps={"pre-start": 0, "overrun": lost},
        next_seq=1201,
        error=error,
        last_error=error,
        last_error_at="2026-11-25T09:30:00.000Z" if error else None,
        failures=1 if error else 0,
    )


def status(
    *sinks: SinkState, sees_losses: bool = True, paused: bool = False, overrun: int = 0
) -> Status:
    return Status(
        version="1.0",
        pid=4711,
        boot_id="51b3d661323f440e91e8247518fc635c",
        started="2026-11-25T09:00:00.000Z",
        uptime_s=11520,
        input=InputState(
            "/dev/kmsg",
            sees_losses,
            paused,
            1201,
            1200,
            1201,
            SEVERITIES,
            {"overrun": overrun, "rate-limit": 0},
            "live",
        ),
        sinks=sinks or (sink(),),
        names=NamesState(
            headline="names from /boot/System.map-6.1.0 and 183241 symbols of kallsyms",
            map=MapState(
                "/boot/System.map-6.1.0",
                "agrees with kallsyms in 512 symbols, slide 0x1a000000",
                "kallsyms",
                "0x1a000000",
                "proved: agrees with kallsyms in 512 symbols, slide 0x1a000000",
            ),
            refused=(
                MapState(
                    "/boot/System.map",
                    "another kernel's: do_fork is at 0xffffffff9b078650 in kallsyms",
                ),
            ),
            symbols={"kallsyms": 183241},
            modules=97,
            named={"/boot/System.map-6.1.0": 12},
            nameless={"no symbol contains this address": 1},
            remarks=(),
        ),
        changes=(
            ReloadResult(
                "configuration",
                "SIGHUP",
                "2026-11-25T09:10:00.000Z",
                False,
                "key sinks: expected one",
            ),
        ),
        oops=OopsState(
            "2026-11-25T09:20:00.000Z",
            1100,
            "BUG: kernel paging request at ffff888003a1c000 \x1b[31m",
            1,
        ),
        crashes={"kasan": 1, "page-fault": 1, "warning": 3, "panic": 0},
        failures=(JobFailure("file watcher", "RuntimeError('no')", "2026-11-25T09:40:00.000Z", 3),),
    )
