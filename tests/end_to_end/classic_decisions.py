# SPDX-License-Identifier: GPL-2.0-or-later
r"""What klogd-py does where it differs from the classic klogd.

The messages that klogd-py wants for each recorded case that is marked to be fixed or to be decided,
and for the few marked to be kept that a decision overrides. Q numbers are those of docs/classic.md.
"""

from msgspec import Struct

from tests.end_to_end.classic_vectors import Message, Vector


class Wanted(Struct, frozen=True):
    """The messages and the exit status of one case, and in a line why they are right."""

    messages: list[Message]
    why: str = ""
    status: int = 0


def wanted(vector: Vector) -> Wanted:
    """What klogd-py should make of a case; raises KeyError for a case without a decision."""
    if vector.name in DECIDED:
        return DECIDED[vector.name]
    if vector.stance == "keep":
        return Wanted(vector.expected_messages, "as it was")
    if vector.stance == "fix" and vector.repaired_is_target:
        return Wanted(vector.alt["repaired"].messages, "as it was meant")
    raise KeyError(vector.name)


# C010b860
_FORK = "[do_fork+0x60/0x100]"
# C0120000
_SCHEDULE = "[schedule+0x0/0x400]"
_VERSIONED: list[Message] = [f"<4>p {_FORK} q [wake_up+0x10/0xc00]"]

_LINES: dict[str, Wanted] = {
    "partial_last_line": Wanted(
        ["<6>complete", f"<6>never finished {_FORK}"], "Q19: what is there at the end is a line"
    ),
    "long_line_999": Wanted(
        [f"<4>{'a' * 996}", "<4>next"], "Q21: no fixed buffer, so no empty line follows"
    ),
    "long_line_1000": Wanted(
        [f"<4>{'a' * 997}", "<4>next"], "Q21: no fixed buffer; overrides keep"
    ),
    "long_line_2500": Wanted([f"<4>{'a' * 2497}", "<4>next"], "Q21: no fixed buffer"),
    "long_line_5000": Wanted([f"<4>{'a' * 4997}", "<4>next"], "Q21: no fixed buffer"),
    "symbol_room_exact": Wanted([f"<4>{'a' * 958}{_FORK}Z"], "Q22: no fixed buffer"),
    "symbol_room_short": Wanted([f"<4>{'a' * 959}{_FORK}Z"], "Q22: a name needs no room"),
    "symbol_across_buffer_end": Wanted(
        [f"<4>{'a' * 990}{_FORK}Z"], "Q21, Q22: there is no end of a buffer to straddle"
    ),
    "space_accounting_overflow": Wanted(
        [f"<4>{f'{_FORK} ' * 10}{'b' * 900}", "<4>next"], "Q3: no fixed buffer"
    ),
    "control_and_high_bytes": Wanted(
        [f"<4>a\\x0db\tc\\x1b[31md\\x01\\x7f \\xff \xc3\xa9 {_FORK}"],
        "Q34: escaped as the kernel escapes them; a tab and UTF-8 stay",
    ),
    "strtoul_leniency": Wanted(
        [
            f"<4>{_FORK} {_FORK} [< c010b860>] [<\tc010b860>] [<+c010b860>] "
            f"[<c010b860 >] [<c010b860+0x10>] [<c010b860zz>] {_FORK}"
        ],
        "Q24: 1 to 16 hexadecimal digits, 0x allowed; anything else is no address",
    ),
    "strtoul_extremes": Wanted(
        ["<4>[<-3fef47a0>] [<c010b860c010b860>] [<1ffffffffffffffff>] [<ffffffffffffffff>]"],
        "Q24: a sign and a 17th digit make it no address",
    ),
    "non_hex_content_zero_based_map": Wanted(
        ["<4>[<zzzz>] [<>] [<(ptrval)>]"], "Q24: garbage is not 0"
    ),
    "with_question_mark_and_inline_symbol": Wanted(
        [f"<4> {_FORK} ? do_fork+0x60/0x100", "<4>EIP is at do_fork+0x60/0x100"],
        "Q48: as klogd it does as klogd did; klogd-py leaves named numbers alone",
    ),
}

_MAPS: dict[str, Wanted] = {
    "address_zero_with_zero_based_map": Wanted(
        ["<4>at [<0000000000000000>] [<0000000000000010>]"], "Q26: per-cpu offsets are no addresses"
    ),
    "map_64bit_user_address": Wanted(
        ["<4>[<00007fff12345678>] [<000000000040051a>]"], "Q27: user addresses are not the kernel's"
    ),
    "map_symbol_types": Wanted(
        [
            "<4>[sym_T+0x4/0x1000] [sym_t+0x4/0x1000] "
            "[sym_D+0x4/0x1000] [sym_d+0x4/0x1000] [sym_B+0x4/0x1000] "
            "[sym_b+0x4/0x1000] [<c0106004>] [sym_R+0x4/0x1000] "
            "[sym_q+0x4/0x1000] [sym_W+0x4/0xf7000]"
        ],
        "Q26: an absolute symbol bounds but does not name",
    ),
    "map_unsorted": Wanted(
        [
            "<4>[do_fork+0x60/0x14800] [_text+0x8/0xb800] "
            "[schedule+0x10/0x400] [wake_up+0x5fc00/0xdfc00]"
        ],
        "Q25: sorted first",
    ),
    "map_unsorted_first_high": Wanted(
        ["<4>[do_fork+0x60/0x14800] [schedule+0x10/0xe0000]"], "Q25: sorted first"
    ),
    "map_malformed_middle": Wanted(["<4>[_text+0x10/0xb800]"], "Q6: good lines serve"),
    "map_malformed_middle_beyond_loaded": Wanted(
        ["<4>[<c010b850>]", "<4>after"],
        "Q6: do_fork ends somewhere in the damage, nobody knows where",
    ),
    "map_malformed_version_never_checked": Wanted(
        ["<4>[<c0100010>]"], "Q6: a damaged map's version is judged, too"
    ),
    "map_fourth_column": Wanted(["<4>[_text+0x10/0xb800]"], "Q6: a module's column is understood"),
    "map_missing_type": Wanted(
        ["<4>[<c010b860>]"], "Q6: a damaged line names nothing and leaves a hole"
    ),
    "map_type_two_letters": Wanted(
        ["<4>[<c010b860>]"], "Q6: a damaged line names nothing and leaves a hole"
    ),
    "map_undefined_symbol_line": Wanted(
        ["<4>[do_fork+0x60/0x14800]"], "Q6: what nm prints of undefined symbols does no harm"
    ),
    "map_comment_line": Wanted(["<4>[do_fork+0x60/0x14800]"], "Q6: a comment does no harm"),
    "map_name_over_511": Wanted(["<4>[_text+0x10/0xb800] x"], "Q6: names of any length"),
    "version_without_number": Wanted(
        ["<4>p [<c010b860>] q [<c0120410>]"],
        "Q5: it reads as version 0, and a refused map is not used; overrides keep",
    ),
    "version_two_part_release": Wanted(_VERSIONED, "Q31: 3.0 is 3.0.0"),
    "version_sublevel_over_255": Wanted(_VERSIONED, "Q31: the kernel clamps its sublevel to 255"),
    "search_unversioned_rejected": Wanted(
        ["<4>p [from_boot_rel+0x10/0x10000]"], "Q7: the release in its name is accepted"
    ),
    "search_match_then_garbage": Wanted(["<4>p [from_boot+0x10/0x10000]"], "Q6: good lines serve"),
}

_MODULES: dict[str, Wanted] = {
    "module_last_symbol": Wanted(
        ["<4>[extfs:ext_exit+0x0/0xc00] [extfs:ext_exit+0x10/0xc00] [nic:nic_last+0x100/0x800]"],
        "Q28: the last symbol reaches to the end of its page; Q27: _end names nothing",
    ),
    "module_single_symbol": Wanted(
        ["<4>[one:only+0x4/0x1000]"], "Q28: the only symbol is the last one"
    ),
    "module_name_truncated": Wanted(
        [f"<4>[modul:{'f' * 98}+0x10/0x100]"], "Q30: names of any length"
    ),
    "module_line_over_127": Wanted(
        [f"<4>[modul:{'f' * 140}+0x10/0x100]"], "Q30: lines of any length"
    ),
    "module_split_groups": Wanted(
        ["<4>[a:a1+0x10/0x2e0]"], "a module that appears again is the same module"
    ),
}

_OPTIONS: dict[str, Wanted] = {
    "opt_2_straddling_reads": Wanted(
        ["<4>no sym", f"<4>a {_FORK} b", "<4>a [<c010b860>] b", "<5>plain"],
        "Q23: the repeated line is the whole line",
    ),
    "opt_2_long_line": Wanted(
        [f"<4>{'a' * 1100} {_SCHEDULE} end", f"<4>{'a' * 1100} [<c0120000>] end", "<4>next"],
        "Q21, Q23: both are whole lines",
    ),
    "opt_2_long_line_overflow": Wanted(
        [
            f"<4>{_FORK} {'a' * 1100} {_SCHEDULE} end",
            f"<4>[<c010b860>] {'a' * 1100} [<c0120000>] end",
            "<4>next",
        ],
        "Q3, Q21, Q23: both are whole lines",
    ),
    "opt_o_single_read": Wanted(
        [f"<4>line {i:04} {_FORK}" for i in range(300)], "Q20: all that is there, as documented"
    ),
    "opt_p_is_inert": Wanted(
        ["<4>Oops: 0000", "<4>[late:late_init+0x10/0x100] [extfs:ext_lookup+0x10/0x2e0]"],
        "Q9: symbols are reloaded at an Oops",
    ),
    "opt_unknown": Wanted([], "Q45: an unknown option is a mistake", status=2),
}

_SIGNALS: dict[str, Wanted] = {
    "sig_usr1_new_module": Wanted(
        [
            "<4>[<ffffffffa0020010>]",
            "<4>[late:late_init+0x10/0x100]",
            "<4>[late:late_init+0x10/0x100]",
        ],
        "Q10: acted on at once; Q27: _end names nothing",
    ),
    "sig_usr2_then_usr1": Wanted(["<6>one", "<6>two", "<6>three"], "Q11: both are acted on"),
    "sig_hup_terminates": Wanted(["<6>one", "<6>two"], "Q16: HUP reloads the configuration"),
    "read_error_eperm": Wanted(
        ["<6>one"], "Q38: without permission there is no use in trying again", status=1
    ),
}

_SYSLOG: dict[str, Wanted] = {
    "syslog_priorities": Wanted(
        [
            *((level, f"level {level}") for level in range(8)),
            (7, "eight"),
            (7, "letter"),
            # Q32: facility user, level 4; overrides keep
            (12, "user"),
            (6, "bare"),
            (6, "<>"),
            (6, ""),
            (6, ""),
            # Q34; overrides keep
            (4, "[   1.5] 100% %m %s \\x1b[1m\\xe9"),
        ],
        "Q32: several digits are facility and level; "
        "Q34: control characters and broken UTF-8 are escaped on the wire",
    ),
    "syslog_long_keeps_priority_only_on_first_part": Wanted(
        [(3, "L" * 1500)], "Q21: no fixed buffer"
    ),
}

DECIDED: dict[str, Wanted] = _LINES | _MAPS | _MODULES | _OPTIONS | _SIGNALS | _SYSLOG


# Cases in which no kernel would print the line: other text stands beside the bracket, as a user's
# string can. The drop-in names them, by the map of a kernel that is not randomised; translate names
# them, and says which lines these are; klogd-py never does. Why, and which.
PROSE: dict[str, tuple[str, ...]] = {
    "several addresses, nested or damaged brackets and words in one line": (
        "several_addresses_one_line",
        "nested_brackets",
        "strtoul_leniency",
        "strtoul_extremes",
        "timestamps_and_plain_brackets",
        "percent_signs",
        "control_and_high_bytes",
        "nul_bytes",
    ),
    "the word at, and, or tail stands beside the bracket": (
        "exactly_at_symbol",
        "exactly_at_symbol_no_modules",
        "one_below_next_symbol",
        "below_first_symbol",
        "at_last_symbol_no_modules",
        "past_last_symbol_no_modules",
        "past_last_symbol_with_modules",
        "at_last_symbol_with_modules",
        "address_zero",
        "address_zero_with_zero_based_map",
    ),
    "a long line of other text holds the bracket": (
        "symbol_room_exact",
        "symbol_room_short",
        "symbol_across_buffer_end",
        "space_accounting_overflow",
        "opt_2_long_line",
        "opt_2_long_line_overflow",
    ),
    "letters and words stand beside the bracket": (
        "partial_last_line",
        "opt_2",
        "opt_2_no_modules",
        "opt_2_x",
        "opt_2_straddling_reads",
        "opt_o_single_read",
        "map_long_name",
        "map_name_over_511",
        "map_name_exactly_511",
        "version_match",
        "version_match_flavour",
        "version_match_aout_underscore",
        "version_two_underscores_is_no_version",
        "version_mismatch",
        "version_trailing_junk",
        "version_without_number",
        "version_two_part_release",
        "version_this_machine",
        "version_sublevel_over_255",
        "version_sublevel_over_255_or",
        "version_mismatch_no_modules",
        "version_first_decides",
        "search_nothing",
        "search_boot_release",
        "search_boot_plain_after_mismatch",
        "search_root_release",
        "search_usr_src",
        "search_unversioned_rejected",
        "search_malformed_candidate",
        "search_match_then_garbage",
        "syslog_two",
    ),
}
