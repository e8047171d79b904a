# SPDX-License-Identifier: GPL-2.0-or-later
import os
import secrets
from pathlib import Path

import pytest

from tests.end_to_end.program import Program, configure, lines_of, write_kmsg
from tests.needs import needs_kmsg, needs_module_uevent
from tests.waiting import wait_until

pytestmark = needs_kmsg

MAP = """\
ffffffff81000000 T _text
ffffffff81000000 T _stext
ffffffff81000100 T start_kernel
ffffffff82000000 T _etext
"""


def _watches(program: Program, folder: Path) -> bool:
    """Whether the folder's inode stands in one of the program's inotify descriptors.

    ``inotify wd:1 ino:2a sdev:...``.
    """
    wanted = f" ino:{folder.stat().st_ino:x} "
    infos = [
        Path(f"/proc/{program.process.pid}/fdinfo/{name}")
        for name in os.listdir(f"/proc/{program.process.pid}/fdinfo")
    ]
    return any(
        line.startswith("inotify ") and wanted in line for info in infos for line in lines_of(info)
    )


def _await_watching(program: Program, folder: Path) -> None:
    wait_until(lambda: _watches(program, folder), f"the watch on {folder}")


def _writes_to(log: Path) -> bool:
    """Whether what is said now arrives there.

    It is said again if others write so much meanwhile that the ring lost it.
    """
    marker = f"marker-{secrets.token_hex(8)}"
    said = 0

    def has_arrived() -> bool:
        nonlocal said
        lines = lines_of(log)
        if said <= sum("overrun" in line for line in lines):
            write_kmsg(marker)
            said += 1
        return any(marker in line for line in lines)

    wait_until(has_arrived, f"{marker} in {log}")
    return True


@pytest.mark.parametrize("name", ["klogd-py.toml", "klogd.conf"])
@pytest.mark.parametrize("how", ["in place", "by renaming"])
def test_an_edited_configuration_takes_effect_by_itself(
    tmp_path: Path, name: str, how: str
) -> None:
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    config = configure(tmp_path, f'sinks = ["file:{first}"]\n', name)
    with Program(tmp_path, config=config) as program:
        assert _writes_to(first)
        _await_watching(program, tmp_path)
        if how == "in place":
            configure(tmp_path, f'sinks = ["file:{second}"]\n', name)
        else:
            configure(tmp_path, f'sinks = ["file:{second}"]\n', "edited").rename(config)
        program.wait_for_notification("READY=1", times=2)
        assert _writes_to(second)
        assert program.stop() == 0


@pytest.mark.parametrize("change", ["appears", "goes"])
def test_drop_in_takes_effect_without_a_signal(tmp_path: Path, change: str) -> None:
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    config = configure(tmp_path, f'sinks = ["file:{first}"]\n')
    drop_in = tmp_path / "klogd-py.toml.d" / "10-local.toml"
    drop_in.parent.mkdir()
    content = f'sinks = ["file:{second}"]\n'
    if change == "goes":
        drop_in.write_text(content)
    with Program(tmp_path, config=config) as program:
        assert _writes_to(second if change == "goes" else first)
        _await_watching(program, drop_in.parent)
        drop_in.write_text(content) if change == "appears" else drop_in.unlink()
        program.wait_for_notification("READY=1", times=2)
        assert _writes_to(first if change == "goes" else second)
        assert program.stop() == 0


def test_a_wrong_edit_is_said_and_changes_nothing(tmp_path: Path) -> None:
    log = tmp_path / "kern.log"
    config = configure(tmp_path, f'sinks = ["file:{log}"]\n')
    with Program(tmp_path, config=config) as program:
        _await_watching(program, tmp_path)
        config.write_text("sinks = [")
        program.wait_for_log("keeping the old configuration")
        assert _writes_to(log)


def test_own_reads_and_writes_trigger_no_reload(tmp_path: Path) -> None:
    # Beside the configuration, in a watched directory
    log = tmp_path / "kern.log"
    config = configure(tmp_path, f'sinks = ["file:{log}"]\n')
    with Program(tmp_path, config=config) as program:
        _await_watching(program, tmp_path)
        for _ in range(3):
            assert _writes_to(log)
        config.read_text()
        # Changes no content, and closes nothing that was written
        config.touch()
        config.write_text("sinks = [")
        program.wait_for_log("keeping the old configuration")
        assert not [line for line in program.log if "symbols reloaded" in line]
        assert program.stop() == 0


def _machine(folder: Path) -> Path:
    """A machine below a folder, whose kernel has no map yet."""
    root = folder / "root"
    (root / "boot").mkdir(parents=True)
    (root / "proc/sys/kernel").mkdir(parents=True)
    (root / "proc/sys/kernel/osrelease").write_text("6.1.0-test\n")
    return root


def test_map_changes_reload_the_symbols(tmp_path: Path) -> None:
    root = _machine(tmp_path)
    place = root / "boot/System.map-6.1.0-test"
    with Program(tmp_path, "--root", str(root), "--sink", f"file:{tmp_path}/kern.log") as program:
        _await_watching(program, root / "boot")
        place.write_text(MAP)
        program.wait_for_log(f"symbols reloaded after a change of {place}")
        program.wait_for_log(f"names from {place}")
        place.write_text(MAP + "ffffffff82000100 T beyond\n")
        program.wait_for_log(f"symbols reloaded after a change of {place}", times=2)
        place.unlink()
        program.wait_for_log(f"symbols reloaded after a change of {place}", times=3)
        program.wait_for_log("no symbols")
        assert program.stop() == 0


def test_other_files_in_boot_trigger_no_reload(tmp_path: Path) -> None:
    root = _machine(tmp_path)
    place = root / "boot/System.map-6.1.0-test"
    with Program(tmp_path, "--root", str(root), "--sink", f"file:{tmp_path}/kern.log") as program:
        _await_watching(program, root / "boot")
        (root / "boot/initrd.img").write_text("new")
        (root / "boot/System.map-9.9.9").write_text(MAP)
        place.write_text(MAP)
        program.wait_for_log(f"symbols reloaded after a change of {place}")
        assert len([line for line in program.log if "symbols reloaded" in line]) == 1


@needs_module_uevent
def test_a_module_that_comes_or_goes_is_noticed(tmp_path: Path) -> None:
    (event, *_) = Path("/sys/module").glob("*/uevent")
    modules = tmp_path / "modules"
    modules.touch()
    config = configure(tmp_path, f'[symbols]\nmodules = "{modules}"\n')
    with Program(tmp_path, "--sink", f"file:{tmp_path}/kern.log", config=config) as program:
        for _ in range(3):
            event.write_text("add")
        wait_until(
            lambda: (
                event.write_text("add") and [line for line in program.log if "came or went" in line]
            ),
            "the module",
            8,
        )
        assert event.parent.name in "".join(program.log)


def test_map_in_later_directory_is_found(tmp_path: Path) -> None:
    place = tmp_path / "usr" / "lib" / "maps" / "System.map"
    names = f'[symbols]\nsearch = ["{place}"]\nkallsyms = ""\nmodules = ""\n'
    config = configure(tmp_path, f'sinks = ["file:{tmp_path}/kern.log"]\n{names}')
    with Program(tmp_path, config=config) as program:
        _await_watching(program, tmp_path)
        place.parent.mkdir(parents=True)
        _await_watching(program, place.parent)
        place.write_text(MAP)
        program.wait_for_log(f"a change of {place}")
        assert program.stop() == 0


def test_unreadable_directory_leaves_others_watched(place: Path) -> None:
    private, maps = place / "private", place / "maps"
    private.mkdir(mode=0o700)
    maps.mkdir()
    (maps / "System.map").write_text(MAP)
    config = configure(private, f'sinks = ["file:{place}/kern.log"]\n')
    words = ("--user", "nobody", "--map", str(maps / "System.map"))
    with Program(place, *words, config=config) as program:
        program.wait_for_log(f"not watching {private}: Permission denied; SIGHUP loads them again")
        _await_watching(program, maps)
        assert program.stop() == 0
    assert "Traceback" not in "\n".join(program.log)
