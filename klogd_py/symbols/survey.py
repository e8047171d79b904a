"""Told where to look, which names are there to be had?

The door of this room: it looks at every candidate map, at kallsyms and at the modules, judges them, and draws the
atlas. Whatever is missing or unusable becomes a remark; nothing here is fatal.
"""

from pathlib import Path

from msgspec import Struct

from klogd_py.record import Unknown
from klogd_py.symbols import kallsyms, modules, search, system_map
from klogd_py.symbols.atlas import Atlas, Chart
from klogd_py.symbols.identity import Standing, Verdict, judge
from klogd_py.symbols.table import Aliases, Table

RESTRICTED = (
    "{path} shows only zeros (kernel.kptr_restrict): run klogd-py with CAP_SYSLOG, "
    "and set kernel.kptr_restrict to 0 or 1, to have names from it"
)


class Sources(Struct, frozen=True):
    """Where to look. Empty paths are not looked at; ``places`` are below ``root`` and may hold ``{release}``."""

    release: str = ""
    root: Path = Path("/")
    given_map: str = ""
    places: tuple[str, ...] = ()
    kallsyms: str = ""
    modules: str = ""


class Survey(Struct, frozen=True):
    """What was found: the atlas, a verdict on each candidate in order, the one in use, remarks for the operator.

    ``hidden`` says that a source exists but shows its addresses to nobody here. ``layout`` tells the loaded modules and
    their addresses apart from those of another time.
    """

    atlas: Atlas
    verdicts: tuple[Verdict, ...] = ()
    remarks: tuple[str, ...] = ()
    kernel_symbols: int = 0
    modules: int = 0
    hidden: bool = False
    layout: frozenset[tuple[str, int]] = frozenset()

    @property
    def in_use(self) -> Verdict | None:
        """The map that names come from, if one was accepted."""
        return next((verdict for verdict in self.verdicts if verdict.standing is Standing.ACCEPTED), None)

    @property
    def headline(self) -> str:
        """Where names come from, in one phrase."""
        used = self.in_use
        parts = [str(used.path)] if used else []
        parts += [f"{self.kernel_symbols} symbols of kallsyms"] if self.kernel_symbols else []
        return "names from " + " and ".join(parts) if parts else "no symbols"

    @property
    def summary(self) -> tuple[str, ...]:
        """What an operator should know, a line each: the map in use and why, what was refused and why."""
        lines = [self.headline]
        for verdict in self.verdicts:
            if verdict.standing is not Standing.MISSING:
                lines.append(f"map {verdict.path} {verdict.standing.value}: {verdict.reason}")
        return tuple(lines)


def survey(sources: Sources, judge_all: bool = False) -> Survey:
    """Look at everything once. ``judge_all`` goes on judging candidates after the first accepted one."""
    remarks: list[str] = []
    loaded_modules = _modules(sources, remarks)
    symbols = _kallsyms(sources, loaded_modules, remarks)
    verdicts, table = _search(sources, symbols.core, judge_all)
    charts: list[Chart] = [table] if table is not None else []
    charts += [chart for chart in (symbols.core, symbols.modules) if isinstance(chart, Table)]
    charts += [loaded_modules] if loaded_modules.count else []
    hidden = symbols.core is Unknown.HIDDEN
    if not charts or (hidden and table is None):
        refused = any(verdict.standing is Standing.REFUSED for verdict in verdicts)
        blank = Unknown.HIDDEN if hidden else Unknown.WRONG_MAP if refused else Unknown.NO_SYMBOLS
    else:
        blank = Unknown.OUTSIDE
    count = 0 if hidden else symbols.symbols
    return Survey(
        Atlas(charts, blank), tuple(verdicts), tuple(remarks), count, loaded_modules.count, hidden, loaded_modules.layout
    )


def module_layout(sources: Sources) -> frozenset[tuple[str, int]]:
    """The loaded modules and their addresses just now, to be compared with a survey's."""
    return _modules(sources, []).layout


def _search(sources: Sources, core: Table | Unknown, judge_all: bool) -> tuple[list[Verdict], Table | None]:
    verdicts: list[Verdict] = []
    table = None
    listed = [(Path(sources.given_map), False)] if sources.given_map else []
    if not sources.given_map:
        listed = list(search.candidates(sources.places, sources.release, sources.root))
    for path, named in listed:
        try:
            candidate = system_map.load(path)
        except FileNotFoundError:
            verdicts.append(Verdict(path, Standing.MISSING, "no such file"))
            continue
        except system_map.NotAMap as error:
            verdicts.append(Verdict(path, Standing.REFUSED, error.reason))
            continue
        verdict = judge(candidate, sources.release, named, bool(sources.given_map), core)
        verdicts.append(verdict)
        if table is None and verdict.standing is Standing.ACCEPTED:
            table = Table(candidate.lines, str(path), slide=verdict.slide, aliases=Aliases.LAST)
            if not judge_all:
                break
    return verdicts, table


def _kallsyms(sources: Sources, loaded: modules.Modules, remarks: list[str]) -> kallsyms.Kallsyms:
    nothing = kallsyms.Kallsyms(Unknown.NO_SYMBOLS, Unknown.NO_SYMBOLS)
    if not sources.kallsyms:
        return nothing
    path = Path(sources.kallsyms)
    try:
        symbols = kallsyms.load(path, loaded.end_of)
    except FileNotFoundError:
        remarks.append(f"{path} does not exist (a kernel without CONFIG_KALLSYMS, or no /proc there)")
        return nothing
    except OSError as error:
        remarks.append(f"{path} cannot be read: {error.strerror}")
        return nothing
    except kallsyms.NotKallsyms as error:
        remarks.append(f"{path}: {error}")
        return nothing
    if symbols.core is Unknown.HIDDEN:
        remarks.append(RESTRICTED.format(path=path))
    return symbols


def _modules(sources: Sources, remarks: list[str]) -> modules.Modules:
    if not sources.modules:
        return modules.Modules(())
    path = Path(sources.modules)
    try:
        return modules.load(path)
    except FileNotFoundError:
        return modules.Modules(())  # a kernel without loadable modules
    except OSError as error:
        remarks.append(f"{path} cannot be read: {error.strerror}")
        return modules.Modules(())
