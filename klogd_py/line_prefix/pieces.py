# SPDX-License-Identifier: GPL-2.0-or-later
r"""Table of the pieces that programs put before the kernel's own text, and who prints each.

A prefix is an unbroken run of pieces. Most end a prefix: the kernel's text begins behind the last
of them. The others (`Piece.ends_prefix` is false) count only if another piece follows.

All patterns are anchored where the run has come to, and every repetition has a limit, so that a
match takes linear time. Names of months and days may be in any language, and bytes that are not
ASCII may have been decoded in any way.
"""

import re

from msgspec import Struct


class Piece(Struct, frozen=True):
    """One piece of a prefix.

    ``is_first``: unknown text may stand before it, such as the prompt of a shell.
    ``only_first``: it is no piece behind another one.
    """

    name: str
    pattern: str
    printed_by: str
    ends_prefix: bool = True
    is_first: bool = False
    only_first: bool = False


# "<    0.000012>"; journalctl adds a blank or an asterisk.
_DELTA = r"<[ +-]{0,12}\d{1,10}\.\d{6}[ *]?>"
# A word of a date, in any language
_WORD = r"[^ \t\r\n\f\v\[\]<>|:;,=(){}/\x22\x1b-]{1,16}"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_ZONE = r"(?: ?(?:Z\b|UTC|GMT)| ?[+-]\d\d(?::?\d\d)?(?=[\s\]|\x22,;]))"
_HALF_DAY = r"(?: [AP]M(?=[ \]\x22,;]))"
_ISO = rf"\d{{4}}[-/]\d\d[-/]\d\d[T _]{_CLOCK}{_HALF_DAY}?{_ZONE}?"
# "Oct 17 13:48:41"
_MONTH_DAY = rf"(?=[^\d\s]|\d{{1,2}}\D){_WORD} {{1,2}}\d{{1,2}} "
_LEVELS = "emerg|panic|alert|crit|err|error|warn|warning|notice|info|debug"
_FACILITIES = (
    "kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|res[0-3]|local[0-7]"
)
_HOST = r"(?!\d\d:\d\d|\d{4}-\d\d-\d\d|\d{9,10}\.\d{3})[\w.:%-]{0,63}[\w.%-](?=[ \t])"
_ZONE_NAME = r"(?:UTC|GMT|MSK|SAST|[CEW]ES?T|[BIJKNPSH][SDK]T|HKT|SGT|[ECMP][SD]T|AK[SD]T|A[CEW][SD]T|NZ[SD]T)"  # noqa: E501
# The name of a machine that has sent the line, before the kernel's stamp
_STAMP_FOLLOWS = r"(?=\[ *\d{1,10}\.\d{6}\])"
# The line of another machine, as it has sent it
_RELAYED = rf"(?={_MONTH_DAY}{_CLOCK} \S{{1,64}} kernel[:\[])"
# "00O" is the number and the stream of a step, and levels are those of a program's own log.
_NO_HOST = r"(?!\d\d[OE] |(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) )"
# A word directly behind the kernel's stamp or caller is the kernel's own text.
_NOT_IN_TEXT = r"(?<!\.\d{6}\] )(?<!\.\d{6}\]  )" + "".join(
    rf"(?<![TC]\d{{{digits}}}\] )" for digits in range(1, 11)
)
# With any of year, zone, usec, nsec, epoch and monotonic; the uid or its name stands behind it.
_LOGCAT_TIME = r"(?:(?:\d{4}-)?\d\d-\d\d \d\d:\d\d:\d\d|\d{1,10})\.\d{3,9}(?: [+-]\d{4})?"
_LOGCAT_TAG = r"(?:kernel| {6}) {2}"
_LOGCAT_UID = r"(?: {0,4}\w{1,10}:)"
_KERNEL = r"(?:kernel|vmunix)(?:\[\d{0,10}\])?"
# A level in the place of a host, "WARNING kernel:"
LEVEL_NAME = r"[A-Z]{3,8} k"
# The first character is that of the level. The name of a process has 15 characters at most.
_COMM = r"(?=[^\]\n]{0,24}[A-Za-z])[^\]\n]{0,24}?"

# fmt: off
PIECES = (
    Piece("control", r"\r|\x00++|\x08|\ufeff|\xef\xbb\xbf|\x1b(?:\[[0-9;?]{0,16}[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|[()][0-9A-B]|[=>78cDEHM])|section_(?:start|end):\d{1,12}:[\w.-]{1,100}(?:\[[\w=,]{1,100}\])?\r\x1b\[0K",  # noqa: E501
          "terminals: ECMA-48; PowerShell's byte order mark; sections of GitLab CI", ends_prefix=False),  # noqa: E501
    # The same as other programs show it, or as a web page leaves it
    Piece("shown_control", r"\^(?:\[\[[0-9;?]{0,16}[mKJHhl]|M(?=[\[<]))|ESC\[[0-9;?]{0,16}[mKJHhl]|\u241b\[[0-9;?]{0,16}[mKJHhl]|\xe2\x90\x9b\[[0-9;?]{0,16}[mKJHhl]|\\(?:x1[bB]|033|e|u001[bB])\[[0-9;?]{0,16}[mKJHhl]|\[(?:\d{1,2}(?:;\d{1,3}){0,4}m|m(?![A-Za-z\]]))",  # noqa: E501
          "cat -v, less, JSON, copies from a browser", ends_prefix=False),
    Piece("kmsg", r"(?:\d{1,3}\.\d{1,3}[\w.+~-]{0,64},)?(?P<kmsg_prefix>\d{1,4}),(?P<kmsg_seq>\d{1,20}),(?P<kmsg_usec>\d{1,17})(?:,[^,;\s]{1,4}(?:,[^;\n]{1,160})?)?;",  # noqa: E501
          "/dev/kmsg; drivers/net/netconsole.c, with the release in front", is_first=True),
    # The kernel's own stamp, as printk and dmesg write it, and as vendors have changed it.
    Piece("stamp", rf"\[[ \t\xa0\xc2]*(?P<stamp_s>\d{{1,10}})\.(?P<stamp_us>\d{{6}})(?:s|,\d{{1,3}}|@\d{{1,4}}(?:-\d{{1,4}})?| / [\d.: -]{{1,24}}(?:\]\[\d{{1,2}})?| +{_DELTA}| {{16}})?\]\xc2?[ \t\xa0]?",  # noqa: E501
          "kernel/printk/printk.c print_time; dmesg -d; Motorola, Amlogic, LG, HiSilicon", is_first=True),  # noqa: E501
    Piece("caller", r"\[ *(?P<caller>[TC]\d{1,10})(?:\([^)\n]{0,16}\))?(?:@C\d{1,4})?\] ?",
          "print_caller; dmesg of util-linux 2.39; vendor hooks of Android"),
    Piece("delta", rf"\[(?: *{_DELTA}| *\+(?P<later>\d{{1,10}}\.\d{{6}}))\] ?",
          "dmesg --notime -d, dmesg -e", is_first=True),
    Piece("reltime", rf"(?=\[\D){_NOT_IN_TEXT}\[(?P<minute>{_WORD}\d\d \d\d:\d\d)\] ?", "dmesg -e, -H: first of a minute", is_first=True),  # noqa: E501
    Piece("ctime", rf"\[(?P<ctime>{_WORD} {{1,2}}{_WORD} {{1,2}}(?:\d{{1,2}} )?{_CLOCK}(?: [AP]M)?(?: {_ZONE_NAME})? \d{{4}})(?: +{_DELTA})?\] ?",  # noqa: E501
          "dmesg -T, crash log -T, Tera Term", is_first=True),
    Piece("level", rf"(?=[a-z0-7]{{3,8}} {{0,8}}:[a-z]){_NOT_IN_TEXT}(?P<facility>{_FACILITIES}) {{0,8}}:(?P<severity>{_LEVELS}) {{0,8}}: ?",  # noqa: E501
          "dmesg -x", is_first=True),
    Piece("dotted", rf"{_NOT_IN_TEXT}(?:(?P<host_dotted>{_HOST}) )?[<\[]?(?P<dotted_facility>{_FACILITIES})(?:\.| (?=\w{{1,8}} kernel[:\[]))(?P<dotted_severity>{_LEVELS})(?:[>\]]|<\d{{1,4}}>)?(?:: | )",  # noqa: E501
          "logread of OpenWrt, syslogd of busybox, socklog, rsyslog's pri-text", is_first=True),
    Piece("priority", r"(?:<|&lt;)(?P<priority>\d{1,4})(?:>|&gt;)",
          "syslog(2), /proc/kmsg, dmesg -r, RFC 3164; also in HTML"),
    Piece("kernel", rf"(?:(?!{LEVEL_NAME})(?P<host>(?!\d\d:\d\d|\d{{4}}-\d\d-\d\d|\d{{9,10}}\.\d{{3}})[\w.:%@/-]{{0,127}}[\w.%-])[ \t])?(?:(?P<level_word>{_LEVELS}|{_LEVELS.upper()}) (?=k))?{_KERNEL}:\xc2?[ \t\xa0]?",  # noqa: E501
          "rsyslog, syslog-ng, journalctl -o short..., Debian's /var/log/dmesg, ChromeOS, F5"),
    Piece("metalog", r"\[kernel\] ", "metalog, src/metalog.c"),
    Piece("rfc5424", rf"1 (?P<iso5424>{_ISO}|-) (?P<host5424>\S{{1,255}}) (?P<app5424>\S{{1,48}}) \S{{1,128}} \S{{1,32}} (?:-|(?:\[(?:\\.|[^\]\\\n]){{1,400}}\]){{1,8}}) ?(?:\ufeff|\xef\xbb\xbf)?",  # noqa: E501
          "RFC 5424 section 6: rsyslog's RSYSLOG_SyslogProtocol23Format"),
    Piece("dashes", rf"(?:(?P<host_dashes>{_HOST}) )?kernel - \S{{1,32}} (?:-|\[(?:\\.|[^\]\\\n]){{1,400}}\]) ",  # noqa: E501
          "the same, behind a time of another program"),
    # Times of the program that wrote the file
    Piece("cri", rf"(?P<cri>\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{{1,9}})?{_ZONE}) (?:stdout|stderr) [FP](?: |$)",  # noqa: E501
          "Kubernetes: CRI log format", is_first=True),
    Piece("logcat", rf"(?P<logcat>{_LOGCAT_TIME}) +(?:\w{{1,16}} +)?\d{{1,10}} +\d{{1,10}} [VDIWEF] {{0,2}}(?:kernel)? *: ",  # noqa: E501
          "logcat -v threadtime", is_first=True),
    Piece("logcat_time", rf"(?P<logcat_time>{_LOGCAT_TIME}) [VDIWEF]/{_LOGCAT_TAG}\({_LOGCAT_UID}? *\d{{1,10}}\): ",  # noqa: E501
          "logcat -v time", is_first=True),
    Piece("logcat_brief", rf"(?<!\d\] )[VDIWEF]/(?:{_LOGCAT_TAG}\({_LOGCAT_UID}? *\d{{1,10}}\)|kernel  ): ",  # noqa: E501
          "logcat -v brief, -v tag"),
    Piece("logcat_process", rf"[VDIWEF]\({_LOGCAT_UID}?[ \d]{{4}}\d(?::[ \d]{{4}}\d)?\) ",
          "logcat -v process, -v thread", only_first=True),
    Piece("iso", rf"(?=\[?\d{{4}}[-/])(?:{_NOT_IN_TEXT}|(?=.{{19}},))\[?(?P<iso>{_ISO}(?: {_ZONE_NAME}(?= ))?)(?:\]:? ?| (?<=[A-Z]{{2}} )| [A-Z]{{2,5}} (?=\S{{1,64}} kernel[:[])| ?\| | (?: (?=\[ *\d|<\d))?|\t|\x22?[,;](?= ?\x22?(?:\[ *\d|<\d)))(?:{_NO_HOST}(?P<host_iso>{_HOST}) {{1,2}}{_STAMP_FOLLOWS})?",  # noqa: E501
          "dmesg --time-format iso, rsyslog, tio, minicom, LAVA, docker logs -t", is_first=True),
    Piece("weekday", rf"(?={_WORD} \d{{4}}-){_NOT_IN_TEXT}{_WORD} (?=\d{{4}}-\d\d-\d\d )", "journalctl -o short-full", ends_prefix=False),  # noqa: E501
    Piece("logread", rf"(?={_WORD} {{1,2}}(?:{_MONTH_DAY}|\d{{1,2}} {_WORD} )){_NOT_IN_TEXT}(?P<logread>{_WORD} (?:(?:{_MONTH_DAY}| ?\d{{1,2}} {_WORD} ){_CLOCK}(?: [AP]M)?(?: {_ZONE_NAME})? \d{{4}}| ?\d{{1,2}} {_WORD} \d{{4}} {_CLOCK}(?: [AP]M)?(?: {_ZONE_NAME})?))(?: |: )",  # noqa: E501
          "logread of OpenWrt, date(1), ts '%c'", is_first=True),
    Piece("bsd", rf"(?={_MONTH_DAY}){_NOT_IN_TEXT}(?P<bsd>{_MONTH_DAY}(?:\d{{4}} )?{_CLOCK}(?: [AP]M(?= ))?(?: {_ZONE_NAME})?)(?:[ \t]|: )(?:(?P<host_bsd>{_HOST}) {{1,2}}(?:{_STAMP_FOLLOWS}|{_RELAYED}))?",  # noqa: E501
          "RFC 3164 section 4.1.2, journalctl -o short, ts(1)", is_first=True),
    Piece("written", rf"(?=\[?(?:\d\d[./-]|(?:19|20)\d{{6}}|\d{{1,2}} [A-Z]|[A-Z][a-z]{{2}} \d\d, )){_NOT_IN_TEXT}\[?(?P<written>(?:\d\d[./-](?:\d\d|[A-Z][a-z]{{2}})[./-]\d{{4}}|(?:19|20)\d{{6}}|\d{{1,2}} [A-Z][a-z]{{2}}(?: \d{{4}})?|[A-Z][a-z]{{2}} \d\d, \d{{4}} @)[: T]{_CLOCK}{_HALF_DAY}?{_ZONE}?)(?:\]:? ?|\x22?[,;\t ])",  # noqa: E501
          "terminal programs, web servers, Kibana", is_first=True),
    Piece("epoch", r"(?=\[?\d{9})" + _NOT_IN_TEXT + r"(?:\[(?P<epoch_in>\d{9,10}\.\d{3,9})\] ?|(?P<epoch>\d{9,10}\.\d{3,9}) )",  # noqa: E501
          "logread -t, journalctl -o short-unix, ts %.s", is_first=True),
    Piece("clock", rf"(?:\[(?:\d{{4}}[.:-])?[+-]?{_CLOCK}{_HALF_DAY}?\]:? ?|\[\d\d:\d\d:\d\d:\d{{3}}\] ?|{_CLOCK}{_HALF_DAY}? {{1,2}}(?:\| )?)",  # noqa: E501
          "tio, minicom, ts -s, KernelCI, RealTerm", only_first=True),
    Piece("elapsed", r"\[ *(?:\+\d{1,7}\.\d{1,9}|\d{1,7}\.\d{1,9} +\d{1,7}\.\d{1,9}|\d{1,7}\.(?:\d{1,5}|\d{7,9}))\] ?(?=\[|<)",  # noqa: E501
          "tio, grabserial", only_first=True),
    Piece("tai64n", r"(?P<tai64n>@4[0-9a-f]{23}) ", "multilog, svlogd -t, s6-log", is_first=True),
    Piece("guest", r"vmx\| [EWIVD]\d{3}: Guest: |[IWEVD][a-z]\(\d\d\) vmx - Guest: ", "VMware: vmware.log", ends_prefix=False),  # noqa: E501
    Piece("column", r"[\w.-]{1,64} {0,16}(?:L\d{1,6} [A-Z]{4,8})?\| {0,2}(?:\[std(?:out|err)\] )?", "Zuul, docker compose, Avocado", ends_prefix=False),  # noqa: E501
    Piece("workflow", r"##\[(?:group|endgroup|command|debug|notice|warning|error|section)\]|::(?:group|debug|notice|warning|error)(?: [^:\n]{1,200})?::",  # noqa: E501
          "GitHub Actions, Azure Pipelines", ends_prefix=False),
    Piece("step", r"\d\d[OE][ +]", "GitLab's runner, behind the time", ends_prefix=False),
    Piece("labels", r"\{\w{1,64}=\x22[^{}\n]{0,400}\x22\} {1,2}", "logcli of Loki", ends_prefix=False),  # noqa: E501
    Piece("test_run", r"\[(?:debug|info)\] \[pid:\d{1,10}\] ", "openQA", ends_prefix=False),
    # What vendors print behind the stamp: processor, process and its number
    Piece("samsung", rf"(?:\[c\d{{1,2}}\] )?[ I]?\[ ?\d{{1,3}}:{_COMM}: {{0,8}}\d{{1,10}}\] ?",
          "Samsung: print_process, CONFIG_PRINTK_PROCESS"),
    Piece("mediatek", rf"(?:<\d>)?[.-]? ?-?\(\d{{1,3}}\)\[\d{{1,10}}:{_COMM}\]",
          "MediaTek: CONFIG_PRINTK_MT_PREFIX"),
    Piece("qualcomm", r"\(CPU:\d{1,3}-pid:\d{1,10}:[^)\n]{0,24}\) ?", "Qualcomm"),
    Piece("hisilicon", r"\[\d{4}:\d\d:\d\d \d\d:\d\d:\d\d\](?:\[pid:\d{1,10},cpu\d{1,3},[^\]\n]{1,32}\])?|\[pid:\d{1,10},cpu\d{1,3},[^\]\n]{1,32}\]",  # noqa: E501
          "HiSilicon"),
    Piece("spreadtrum", r"c\d{1,2} {3,8}\d{1,10} ", "Spreadtrum"),
    # Around all of these
    Piece("dropped", r"\*\* \d{1,10} printk messages dropped \*\* ", "printk of Linux 4", is_first=True),  # noqa: E501
    Piece("quote", r"(?:[>|] ){1,64}|[>|]{1,8}(?=[\[< \t])|\+(?=\[)", "mails, diff", only_first=True),  # noqa: E501
    Piece("numbered", r" {0,8}\d{1,8}(?:\t|[:-](?=<\d{1,4}>))", "cat -n, nl, grep -n", only_first=True),  # noqa: E501
    Piece("field", r"MESSAGE=", "journalctl -o export", only_first=True),
    Piece("mail_blank", r"\s{0,8}(?:\xa0|\xc2\xa0){1,8}|(?<!\])(?<!\] )\s{0,8}(?:\xef\xbf\xbd|\ufffd){1,8}", "mails: no-break spaces"),  # noqa: E501
)
# fmt: on
BY_NAME = {piece.name: piece for piece in PIECES}
FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron"),
    *("authpriv", "ftp", "res0", "res1", "res2", "res3"),
    *(f"local{number}" for number in range(8)),
)
SEVERITIES = {
    "emerg": 0,
    "panic": 0,
    "alert": 1,
    "crit": 2,
    "err": 3,
    "error": 3,
    "warn": 4,
    "warning": 4,
    "notice": 5,
    "info": 6,
    "debug": 7,
}
# The line of another program in a syslog file: "host sshd[12]: text", behind the time
OTHER_PROGRAM = re.compile(
    rf"(?!Hardware name|Internal error|usb \d|pci \d)(?P<host>{_HOST}) "
    r"(?P<tag>[^\s:\[\]<>]{1,80})(?P<pid>\[\d{1,10}\])?: "
)

# What dmesg prints with any of its options, and the vendors' kernels
DMESG = frozenset(
    (
        *("control", "stamp", "caller", "delta", "reltime", "ctime", "level", "priority", "iso"),
        *("dropped", "samsung", "mediatek", "qualcomm", "hisilicon", "spreadtrum"),
    )
)
# What syslog daemons and journalctl write
SYSLOG = frozenset(
    (
        *("control", "stamp", "caller", "dotted", "priority", "kernel", "metalog", "rfc5424"),
        *("dashes", "iso", "weekday", "logread", "bsd", "epoch"),
    )
)
