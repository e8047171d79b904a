# SPDX-License-Identifier: GPL-2.0-or-later
"""What programs put before the kernel's text, by the program, and where its form was taken from.

``{us}`` stands for the six digits of microseconds, which differ from line to line.
"""

from typing import NamedTuple

# The last time of every capture below, in UTC
WRITTEN = "2023-12-01T00:00:00+00:00"
_DAY = "2023-11-25T10:41:07"
_MILLI = "2023-11-25T10:41:07.123"
_SUB = "2023-11-25T10:41:07.123456"


class Prefix(NamedTuple):
    """One prefix, and what it states: level, time in UTC, host."""

    program: str
    taken_from: str
    before: str
    severity: int | None = None
    wall: str | None = None
    host: str | None = None
    after: str = ""
    has_stamp: bool = True


_PRINTK = "kernel/printk/printk.c print_prefix"
_DMESG = "util-linux sys-utils/dmesg.c print_record"
_JOURNAL = "systemd src/shared/logs-show.c output_short"
_LOGREAD = "OpenWrt ubox log/logread.c log_notify"
_RSYSLOG = "rsyslog runtime/conf.c templates"
_SERIAL = "captures of serial lines in public reports"
_LOGCAT = "Android system/logging liblog/logprint.cpp"
_NETCONSOLE = (
    "drivers/net/netconsole.c send_fragmented_body; Documentation/networking/netconsole.rst"
)

PREFIXES = (
    # The kernel itself
    Prefix("printk", _PRINTK, "[   12.{us}] "),
    Prefix("printk", _PRINTK, "[   12.{us}][    T1] "),
    Prefix("printk", _PRINTK, "[   12.{us}][    C3] "),
    Prefix("printk", _PRINTK, "[17159596.{us}][T123456] "),
    Prefix("printk", _PRINTK, "", has_stamp=False),
    Prefix(
        "printk",
        "kernel/printk/printk.c of Linux 4",
        "** 12 printk messages dropped ** [   12.{us}] ",
    ),
    Prefix("/proc/kmsg", _PRINTK, "<4>[   12.{us}] ", 4),
    Prefix("/proc/kmsg", _PRINTK, "<3>[   12.{us}][    T1] ", 3),
    Prefix("/proc/kmsg", _PRINTK, "<4>", 4, has_stamp=False),
    Prefix("/dev/kmsg", "Documentation/ABI/testing/dev-kmsg", "4,{us},12{us},-;", 4),
    Prefix(
        "/dev/kmsg", "kernel/printk/printk.c info_print_ext_header", "4,{us},12{us},-,caller=T1;", 4
    ),
    Prefix("netconsole", _NETCONSOLE, "6.4.0-rc7,4,{us},12{us},-;", 4),
    Prefix("netconsole", _NETCONSOLE, "6.12.1,4,{us},12{us},-,caller=C1;", 4),
    # dmesg
    Prefix("dmesg", _DMESG, "[   12.{us}] [      T0] "),
    Prefix("dmesg -x", _DMESG, "kern  :warn  : [   12.{us}] ", 4),
    Prefix("dmesg -x", _DMESG, "kern  :err   : [   12.{us}] [    T12] ", 3),
    Prefix("dmesg -T", _DMESG, "[Sat Nov 25 10:41:07 2023] ", None, _DAY, has_stamp=False),
    Prefix(
        "dmesg -T",
        "util-linux issue: French",
        "[sam. nov. 25 10:41:07 2023] ",
        None,
        _DAY,
        has_stamp=False,
    ),
    Prefix(
        "dmesg -T", "glibc locale de_DE", "[Sa Nov 25 10:41:07 2023] ", None, _DAY, has_stamp=False
    ),
    Prefix(
        "dmesg -T", "glibc locale es_ES", "[sáb nov 25 10:41:07 2023] ", None, _DAY, has_stamp=False
    ),
    Prefix(
        "dmesg -T", "glibc locale ja_JP", "[土 11月 25 10:41:07 2023] ", None, _DAY, has_stamp=False
    ),
    Prefix(
        "dmesg -T", "glibc locale ru_RU", "[Сб ноя 25 10:41:07 2023] ", None, _DAY, has_stamp=False
    ),
    Prefix(
        "dmesg -Tx", _DMESG, "kern  :warn  : [Sat Nov 25 10:41:07 2023] ", 4, _DAY, has_stamp=False
    ),
    Prefix("dmesg -d", _DMESG, "[   12.{us} <    0.000012>] "),
    Prefix(
        "dmesg -dT",
        _DMESG,
        "[Sat Nov 25 10:41:07 2023 <    0.000012>] ",
        None,
        _DAY,
        has_stamp=False,
    ),
    Prefix("dmesg -td", _DMESG, "[<    0.000012>] ", has_stamp=False),
    Prefix("dmesg -e", _DMESG, "[  +0.{us}] ", has_stamp=False),
    Prefix("dmesg -e", _DMESG, "[Nov25 10:41] ", None, "2023-11-25T10:41:00", has_stamp=False),
    Prefix(
        "dmesg --time-format iso",
        _DMESG,
        "2023-11-25T11:41:07,123456+01:00 ",
        None,
        _SUB,
        has_stamp=False,
    ),
    Prefix(
        "dmesg --time-format iso -x",
        _DMESG,
        "kern  :warn  : 2023-11-25T11:41:07,123456+01:00 ",
        4,
        _SUB,
        has_stamp=False,
    ),
    Prefix("dmesg, two formats", _DMESG, "[   12.{us}] [Sat Nov 25 10:41:07 2023] ", None, _DAY),
    Prefix("dmesg -L", _DMESG, "\x1b[32m[   12.{us}] \x1b[0m", after="\x1b[0m"),
    Prefix("dmesg -Lx", _DMESG, "kern  :warn  : \x1b[32m[   12.{us}] \x1b[0m", 4),
    Prefix("dmesg -r", _DMESG, "<4>[   12.{us}] ", 4),
    Prefix("dmesg of busybox", "busybox util-linux/dmesg.c", "<4>[   12.{us}] ", 4),
    Prefix("/var/log/dmesg", "Debian's bootlogs", "[   12.{us}] kernel: "),
    # syslog daemons
    Prefix("rsyslog", _RSYSLOG, "Nov 25 10:41:07 web kernel: [   12.{us}] ", None, _DAY, "web"),
    Prefix("rsyslog", _RSYSLOG, "Nov 25 10:41:07 web kernel: ", None, _DAY, "web", has_stamp=False),
    Prefix(
        "rsyslog",
        _RSYSLOG,
        "2023-11-25T10:41:07.123456+00:00 web kernel: [   12.{us}] ",
        None,
        _SUB,
        "web",
    ),
    Prefix(
        "rsyslog",
        _RSYSLOG,
        "2023-11-25T11:41:07.123456+01:00 web kernel: ",
        None,
        _SUB,
        "web",
        has_stamp=False,
    ),
    Prefix(
        "rsyslog",
        "RSYSLOG_ForwardFormat",
        "<4>2023-11-25T10:41:07.123456+00:00 web kernel: [   12.{us}] ",
        4,
        _SUB,
        "web",
    ),
    Prefix(
        "RFC 5424",
        "RSYSLOG_SyslogProtocol23Format",
        "<4>1 2023-11-25T10:41:07.123456Z web kernel - - - [   12.{us}] ",
        4,
        _SUB,
        "web",
    ),
    Prefix(
        "RFC 5424",
        "RFC 5424 section 6.5",
        '<4>1 2023-11-25T10:41:07.123456Z web kernel - ID47 [x@1 a="b"] ',
        4,
        _SUB,
        "web",
        has_stamp=False,
    ),
    Prefix(
        "RFC 3164",
        "RFC 3164 section 5.4",
        "<4>Nov 25 10:41:07 web kernel: [   12.{us}] ",
        4,
        _DAY,
        "web",
    ),
    Prefix(
        "syslog-ng",
        "syslog-ng lib/template",
        "Nov 25 10:41:07 10.0.0.7 kernel: [   12.{us}] ",
        None,
        _DAY,
        "10.0.0.7",
    ),
    Prefix(
        "sysklogd",
        "sysklogd syslogd.c",
        "Nov 25 10:41:07 web kernel[0]: [   12.{us}] ",
        None,
        _DAY,
        "web",
    ),
    Prefix(
        "rsyslog of netconsole",
        "netconsole without a tag",
        "Nov 25 10:41:07 10.0.0.7 [   12.{us}] ",
        None,
        _DAY,
        "10.0.0.7",
    ),
    Prefix(
        "syslogd of busybox",
        "busybox sysklogd/syslogd.c timestamp_and_log",
        "Nov 25 10:41:07 router kern.warn kernel: [   12.{us}] ",
        4,
        _DAY,
        "router",
    ),
    Prefix(
        "logread of OpenWrt",
        _LOGREAD,
        "Sat Nov 25 10:41:07 2023 kern.warn kernel: [   12.{us}] ",
        4,
        _DAY,
    ),
    Prefix(
        "logread -t",
        _LOGREAD,
        "Sat Nov 25 10:41:07 2023 [1700908867.123] kern.warn kernel: [   12.{us}] ",
        4,
        "2023-11-25T10:41:07.123",
    ),
    Prefix(
        "logread of OpenWrt",
        _LOGREAD,
        "Sat Nov 25 10:41:07 2023 kern.err kernel: ",
        3,
        _DAY,
        has_stamp=False,
    ),
    Prefix(
        "metalog", "metalog src/metalog.c", "Nov 25 10:41:07 [kernel] [   12.{us}] ", None, _DAY
    ),
    Prefix(
        "metalog", "metalog src/metalog.c", "Nov 25 10:41:07 [kernel] ", None, _DAY, has_stamp=False
    ),
    Prefix("socklog", "socklog src/socklog.c", "kern.warn: [   12.{us}] ", 4),
    Prefix(
        "svlogd -t",
        "runit svlogd.c; libtai tai64n",
        "@400000006561cf4d00000000 kern.warn: [   12.{us}] ",
        4,
        _DAY,
    ),
    # The journal
    Prefix(
        "journalctl -o short",
        _JOURNAL,
        "Nov 25 10:41:07 web kernel: ",
        None,
        _DAY,
        "web",
        has_stamp=False,
    ),
    Prefix(
        "journalctl -o short",
        "strftime %b in French",
        "nov. 25 10:41:07 web kernel: ",
        None,
        _DAY,
        "web",
        has_stamp=False,
    ),
    Prefix(
        "journalctl -o short-precise",
        _JOURNAL,
        "Nov 25 10:41:07.123456 web kernel: ",
        None,
        _SUB,
        "web",
        has_stamp=False,
    ),
    Prefix(
        "journalctl -o short-full",
        _JOURNAL,
        "Sat 2023-11-25 10:41:07 UTC web kernel: ",
        None,
        _DAY,
        "web",
        has_stamp=False,
    ),
    Prefix(
        "journalctl -o short-iso",
        _JOURNAL,
        "2023-11-25T11:41:07+0100 web kernel: ",
        None,
        _DAY,
        "web",
        has_stamp=False,
    ),
    Prefix(
        "journalctl -o short-iso-precise",
        _JOURNAL,
        "2023-11-25T10:41:07.123456+00:00 web kernel: ",
        None,
        _SUB,
        "web",
        has_stamp=False,
    ),
    Prefix(
        "journalctl -o short-monotonic", _JOURNAL, "[   12.{us}] web kernel: ", None, None, "web"
    ),
    Prefix(
        "journalctl -o short-delta",
        _JOURNAL,
        "[   12.{us} <    0.000012>] web kernel: ",
        None,
        None,
        "web",
    ),
    Prefix(
        "journalctl -o short-unix",
        _JOURNAL,
        "1700908867.123456 web kernel: ",
        None,
        _SUB,
        "web",
        has_stamp=False,
    ),
    Prefix(
        "journalctl --no-hostname",
        _JOURNAL,
        "Nov 25 10:41:07 kernel: ",
        None,
        _DAY,
        has_stamp=False,
    ),
    # Crash dumps and persistent stores
    Prefix("pstore", "fs/pstore/platform.c pstore_dump", "<4>[   12.{us}] ", 4),
    Prefix(
        "crash log -T",
        "crash kernel.c dump_log",
        "[Sat Nov 25 10:41:07 UTC 2023] ",
        None,
        _DAY,
        has_stamp=False,
    ),
    Prefix("crash log -m", "crash kernel.c dump_log", "[   12.{us}] <4>", 4),
    # Phones and boards
    Prefix("last_kmsg", "fs/pstore/ram.c of Android", "<4>[   12.{us}] ", 4),
    Prefix(
        "Samsung",
        "kernel/printk of Samsung: print_process",
        "<4>[   12.{us}]  [0:      swapper/0:    1] ",
        4,
    ),
    Prefix(
        "Samsung",
        "kernel/printk of Samsung: print_process",
        "[   12.{us}] I[3:    kworker/3:1:  123] ",
    ),
    Prefix(
        "MediaTek",
        "kernel/printk of MediaTek: CONFIG_PRINTK_MT_PREFIX",
        "<4>[   12.{us}]  (0)[123:kworker/0:1]",
        4,
    ),
    Prefix("MediaTek", "vendor hook printk_cpuid", "[   12.{us}][T123@C3] "),
    Prefix("Amlogic", "captures of Amlogic boards", "[   12.{us}@0] "),
    Prefix("LG", "last_kmsg of LG phones", "[   12.{us} / 01-01 00:00:12.123] "),
    Prefix(
        "HiSilicon",
        "last_kmsg of HiSilicon phones",
        "<4>[   12.{us}s][2023:11:25 10:41:07][pid:1,cpu0,init]",
        4,
    ),
    Prefix(
        "logcat -v threadtime",
        "Android system/logging liblog/logprint.cpp",
        "11-25 10:41:07.123     0     0 W         : [   12.{us}] ",
        None,
        "2023-11-25T10:41:07.123",
    ),
    Prefix(
        "logcat -v brief",
        "Android system/logging liblog/logprint.cpp",
        "W/kernel  (    0): [   12.{us}] ",
    ),
    # Terminals and serial lines
    Prefix("tio", "tio src/timestamp.c", "[10:41:07.123] [   12.{us}] ", after="\r"),
    Prefix("tio", "tio issue 121", "\r[10:41:07] [   12.{us}] "),
    Prefix(
        "tio",
        "tio src/timestamp.c",
        "[2023-11-25T10:41:07.123] [   12.{us}] ",
        None,
        "2023-11-25T10:41:07.123",
    ),
    Prefix(
        "minicom",
        "minicom src/minicom.c",
        "[2023-11-25 10:41:07] [   12.{us}] ",
        None,
        _DAY,
        after="\r",
    ),
    Prefix(
        "Tera Term",
        "Tera Term: log timestamps",
        "[Sat Nov 25 10:41:07.123 2023] [   12.{us}] ",
        None,
        "2023-11-25T10:41:07.123",
    ),
    Prefix("RealTerm", "captures by RealTerm", "[10:41:07:123] [   12.{us}] "),
    Prefix("grabserial", "grabserial -t", "[5.123456 0.000123] [   12.{us}] "),
    Prefix("ts", "moreutils ts", "Nov 25 10:41:07 [   12.{us}] ", None, _DAY),
    Prefix("ts %.s", "moreutils ts", "1700908867.123456 [   12.{us}] ", None, _SUB),
    Prefix("ts -s", "moreutils ts", "00:00:05 [   12.{us}] "),
    Prefix("conserver", _SERIAL, "ttyS0: [   12.{us}] "),
    Prefix("serial console", _SERIAL, "buildroot login: [   12.{us}] "),
    Prefix("shell", _SERIAL, "root@OpenWrt:/# [   12.{us}] "),
    Prefix("serial console", _SERIAL, "\x1b[0;32m[   12.{us}] \x1b[0m", after="\x1b[0m\r"),
    Prefix("serial console", _SERIAL, "[   12.{us}] ", after="\x1b[K\r\r"),
    # Laboratories and containers
    Prefix("LAVA", "LAVA plain logs", "2023-11-25T10:41:07.123456  [   12.{us}] ", None, _SUB),
    Prefix("KernelCI", "KernelCI logs", "00:00:05.123 <4>[   12.{us}] ", 4),
    Prefix("syzkaller", "logs of syzbot", "[   12.{us}][ T4321] "),
    Prefix(
        "Jenkins",
        "Jenkins timestamper",
        "[2023-11-25T10:41:07.123Z] [   12.{us}] ",
        None,
        "2023-11-25T10:41:07.123",
    ),
    Prefix(
        "Zuul", "Zuul console log", "2023-11-25 10:41:07.123456 | node | [   12.{us}] ", None, _SUB
    ),
    Prefix(
        "docker logs -t",
        "moby daemon/logs",
        "2023-11-25T10:41:07.123456789Z [   12.{us}] ",
        None,
        _SUB,
    ),
    Prefix("docker compose", "compose pkg/formatter", "web-1  | [   12.{us}] "),
    Prefix(
        "Kubernetes",
        "CRI log format",
        "2023-11-25T10:41:07.123456789Z stdout F [   12.{us}] ",
        None,
        _SUB,
    ),
    # Tools that copy lines
    Prefix("grep -n", "grep", "123:[   12.{us}] "),
    Prefix(
        "grep -Hn",
        "grep",
        "kern.log:123:Nov 25 10:41:07 web kernel: [   12.{us}] ",
        None,
        _DAY,
        "web",
    ),
    Prefix(
        "grep -A", "grep", "kern.log-Nov 25 10:41:07 web kernel: [   12.{us}] ", None, _DAY, "web"
    ),
    Prefix("cat -n", "coreutils", "   123\t[   12.{us}] "),
    Prefix("mail", "mails of lists", "> [   12.{us}] "),
    Prefix("mail", "mails of lists", "> > <4>[   12.{us}] ", 4),
    Prefix("patch", "a changelog in a diff", "+[   12.{us}] "),
    Prefix("web console", "pasted table", "2023-11-25 10:41:07 | [   12.{us}] ", None, _DAY),
    # Other writers of syslog lines
    Prefix(
        "rsyslogd of ChromeOS",
        "patches on lists, with lines of /var/log/messages",
        "2023-11-25T10:41:07.123456Z WARNING kernel: [   12.{us}] ",
        4,
        _SUB,
    ),
    Prefix("rsyslogd of ChromeOS", "mails of lists", "ERR kernel: [   12.{us}] ", 3),
    Prefix(
        "syslog-ng of F5",
        "BIG-IP: /var/log/kern.log",
        "Nov 25 10:41:07 bigip1 warning kernel: [   12.{us}] ",
        4,
        _DAY,
        "bigip1",
    ),
    Prefix(
        "rsyslog, own template",
        "rsyslog: properties syslogfacility-text, syslogseverity-text",
        "2023-11-25T10:41:07+00:00 web kern warning kernel: [   12.{us}] ",
        4,
        _DAY,
        "web",
    ),
    Prefix(
        "rsyslog, own template",
        "rsyslog: property pri-text",
        "Nov 25 10:41:07 kern.warning<4> web kernel: [   12.{us}] ",
        4,
        _DAY,
        "web",
    ),
    Prefix(
        "syslogd -v",
        "sysklogd and others: facility and level in brackets",
        "Nov 25 10:41:07 <kern.warning> web kernel: [   12.{us}] ",
        4,
        _DAY,
        "web",
    ),
    Prefix(
        "relay",
        "rsyslog: a message that has a header of its own",
        "Nov 25 10:41:08 10.0.0.7 Nov 25 10:41:07 web kernel: [   12.{us}] ",
        None,
        _DAY,
        "web",
    ),
    Prefix(
        "syslog-ng",
        "syslog-ng: chain-hostnames(yes)",
        "Nov 25 10:41:07 src@web/relay kernel: [   12.{us}] ",
        None,
        _DAY,
        "src@web/relay",
    ),
    Prefix(
        "svlogd -tt",
        "runit svlogd.c fmt_ptime_iso8601",
        "2023-11-25_10:41:07.12345 kern.warn: [   12.{us}] ",
        4,
        "2023-11-25T10:41:07.12345",
    ),
    Prefix(
        "a table of tabs",
        "copies from a spreadsheet",
        "Nov 25 10:41:07\tweb\tkernel:\t[   12.{us}]\t",
        None,
        _DAY,
        "web",
    ),
    Prefix(
        "journalctl -o short-delta",
        "systemd src/shared/logs-show.c output_timestamp_monotonic",
        "[   12.{us} <    0.000012 >] web kernel: ",
        None,
        None,
        "web",
    ),
    Prefix(
        "journalctl -o short-delta",
        "the same: not reliable",
        "[   12.{us} <    0.000012*>] web kernel: ",
        None,
        None,
        "web",
    ),
    Prefix(
        "journalctl -o short-delta",
        "the same: the first line",
        "[   12.{us}                ] web kernel: ",
        None,
        None,
        "web",
    ),
    # More phones
    Prefix("Motorola", "logcat of Motorola phones", "<6>[   12.{us},0] ", 6),
    Prefix(
        "HiSilicon", "console-ramoops of HiSilicon phones", "[   12.{us}s][pid:1,cpu7,swapper/0]"
    ),
    Prefix("LG", "last_kmsg of LG phones", "<6>[   12.{us} / 01-01 00:00:12.123][3] ", 6),
    Prefix(
        "Samsung", "kernel/printk of Samsung", "<6>[   12.{us}] [c0] [0:      swapper/0:    1] ", 6
    ),
    # Programs that copy a terminal, with a label between their time and the line
    Prefix("VirtualBox", "VBox.log", "00:00:05.123456 VMMDev: Guest Log: [   12.{us}] "),
    Prefix(
        "VMware",
        "vmware.log",
        "2023-11-25T10:41:07.123Z In(05) vmx - Guest: [   12.{us}] ",
        None,
        "2023-11-25T10:41:07.123",
    ),
    Prefix(
        "VMware",
        "vmware.log of old versions",
        "2023-11-25T10:41:07.123Z| vmx| I125: Guest: [   12.{us}] ",
        None,
        "2023-11-25T10:41:07.123",
    ),
    Prefix(
        "crosvm",
        "crosvm devices::serial",
        "[2023-11-25T10:41:07.123456+00:00 INFO  devices::serial] [   12.{us}] ",
        None,
        _SUB,
    ),
    Prefix("SSCOM", "captures of serial lines", "[10:41:07.123]收←◆[   12.{us}] "),
    Prefix(
        "Docklight",
        "captures of serial lines",
        "25.11.2023 10:41:07.123 [RX] - [   12.{us}] ",
        None,
        "2023-11-25T10:41:07.123",
    ),
    Prefix(
        "grabserial -T",
        "grabserial",
        "[2023-11-25 10:41:07.123456 0.000123] [   12.{us}] ",
        None,
        _SUB,
    ),
    Prefix("TeamCity", "TeamCity build log", "[10:41:07] :\t [Step 1/2] [   12.{us}] "),
    Prefix(
        "GitLab",
        "GitLab runner: FF_TIMESTAMPS",
        "2023-11-25T10:41:07.123456Z 00O [   12.{us}] ",
        None,
        _SUB,
    ),
    Prefix(
        "GitLab",
        "the same: a line that goes on",
        "2023-11-25T10:41:07.123456Z 00O+[   12.{us}] ",
        None,
        _SUB,
    ),
    Prefix(
        "Avocado",
        "avocado debug.log",
        "2023-11-25 10:41:07,123 process          L0604 DEBUG| [stdout] [   12.{us}] ",
        None,
        "2023-11-25T10:41:07.123",
    ),
    Prefix(
        "openQA",
        "autoinst-log.txt",
        "[2023-11-25T10:41:07.123456+00:00] [debug] [pid:123] [   12.{us}] ",
        None,
        _SUB,
    ),
    Prefix("annotate-output", "devscripts", "10:41:07 O: [   12.{us}] "),
    Prefix("IRC", "logs of IRC clients", "[10:41:07] <nick> [   12.{us}] "),
    Prefix(
        "logcli",
        "Loki: logcli query",
        '2023-11-25T10:41:07Z {host="web", job="kern"} [   12.{us}] ',
        None,
        _DAY,
    ),
    Prefix("IGT", "igt-gpu-tools runner/executor.c dump_dmesg", "<4> [12.{us}] ", 4),
    # Dates in other forms
    Prefix("terminal program", _SERIAL, "[25.11.2023 10:41:07] [   12.{us}] ", None, _DAY),
    Prefix("terminal program", _SERIAL, "25/11/2023 10:41:07 [   12.{us}] ", None, _DAY),
    Prefix("terminal program", _SERIAL, "[20231125 10:41:07] [   12.{us}] ", None, _DAY),
    Prefix(
        "Apache httpd",
        "common log format",
        "[25/Nov/2023:10:41:07 +0000] [   12.{us}] ",
        None,
        _DAY,
    ),
    Prefix(
        "Apache httpd",
        "common log format in a table",
        '"25/Nov/2023:12:41:07 +0200","[   12.{us}] ',
        None,
        _DAY,
        after='"',
    ),
    Prefix(
        "a table of commas",
        "copies from a spreadsheet",
        "2023-11-25T12:41:07+02:00,[   12.{us}] ",
        None,
        _DAY,
    ),
    Prefix(
        "a table of semicolons",
        "copies from a spreadsheet",
        "25.11.2023 12:41:07 +0200; [   12.{us}] ",
        None,
        _DAY,
    ),
    Prefix(
        "terminal program",
        "times of 12 hours",
        "2023-11-25 10:41:07 PM [   12.{us}] ",
        None,
        "2023-11-25T22:41:07",
    ),
    Prefix(
        "terminal program",
        "times of 12 hours",
        "[2023-11-25 10:41:07 PM] [   12.{us}] ",
        None,
        "2023-11-25T22:41:07",
    ),
    Prefix("terminal program", "times of 12 hours", "10:41:07 AM [   12.{us}] "),
    Prefix("ts", "ts '%d %b %Y %T'", "25 Nov 2023 10:41:07 [   12.{us}] ", None, _DAY),
    Prefix(
        "Kibana",
        "Kibana: CSV report",
        '"Nov 25, 2023 @ 10:41:07.123",web,"[   12.{us}] ',
        None,
        "2023-11-25T10:41:07.123",
        after='"',
    ),
    Prefix(
        "Splunk",
        "Splunk: CSV export of _raw",
        '"Nov 25 10:41:07 web kernel: [   12.{us}] ',
        None,
        _DAY,
        "web",
        after='",web,"a, b"',
    ),
    # What shows the bytes of a terminal, and web pages
    Prefix("cat -v", "coreutils cat.c", "^[[32m[   12.{us}] ^[[0m", after="^M"),
    Prefix("cat -A", "coreutils cat.c", "[   12.{us}] ", after="^M$"),
    Prefix("less", "less without -R", "ESC[32m[   12.{us}] ESC[0m"),
    Prefix("browser", "copies in which the escape character is missing", "[0;32m[   12.{us}] [0m"),
    Prefix("browser", "no-break spaces", "[\xa0\xa0\xa012.{us}]\xa0"),
    Prefix("web page", "HTML of mail archives", "&lt;4&gt;[   12.{us}] ", 4, after="<br>"),
    Prefix("web page", "HTML of mail archives", "<p>[   12.{us}] ", after="</p>"),
    Prefix(
        "grep --color",
        "grep: GREP_COLORS",
        "\x1b[35m\x1b[Kkern.log\x1b[m\x1b[K\x1b[36m\x1b[K:\x1b[m\x1b[K"
        "\x1b[32m\x1b[K12\x1b[m\x1b[K\x1b[36m\x1b[K:\x1b[m\x1b[K[   12.{us}] ",
    ),
    Prefix(
        "grep -Hn",
        "a file name with blanks",
        "my log.txt:12:Nov 25 10:41:07 web kernel: [   12.{us}] ",
        None,
        _DAY,
        "web",
    ),
    Prefix("grep -n", "of dmesg -r", "12:<4>", 4, has_stamp=False),
    Prefix("zgrep", "gzip", "kmsg.2.gz:<4>[   12.{us}] ", 4),
    # Kubernetes states its own prefix on each line, whatever follows.
    Prefix(
        "Kubernetes",
        "CRI log format",
        "2023-11-25T10:41:07.123456789Z stdout F ",
        None,
        _SUB,
        has_stamp=False,
    ),
    Prefix(
        "Kubernetes",
        "CRI log format",
        "2023-11-25T11:41:07.123456789+01:00 stderr P ",
        None,
        _SUB,
        has_stamp=False,
    ),
    # Android: liblog/logprint.cpp android_log_formatLogLine
    Prefix(
        "logcat -v year",
        _LOGCAT,
        "2023-11-25 10:41:07.123     0     0 W kernel  : [   12.{us}] ",
        None,
        _MILLI,
    ),
    Prefix(
        "logcat -v year -v zone",
        _LOGCAT,
        "2023-11-25 11:41:07.123 +0100     0     0 W         : [   12.{us}] ",
        None,
        _MILLI,
    ),
    Prefix(
        "logcat -v zone",
        _LOGCAT,
        "11-25 11:41:07.123 +0100     0     0 W kernel  : [   12.{us}] ",
        None,
        _MILLI,
    ),
    Prefix(
        "logcat -v epoch",
        _LOGCAT,
        "         1700908867.123     0     0 W kernel  : [   12.{us}] ",
        None,
        _MILLI,
    ),
    Prefix("logcat -v monotonic", _LOGCAT, "    12.345     0     0 W kernel  : ", has_stamp=False),
    Prefix(
        "logcat -v uid",
        _LOGCAT,
        "11-25 10:41:07.123  root     0     0 W kernel  : [   12.{us}] ",
        None,
        _MILLI,
    ),
    Prefix(
        "logcat -v usec",
        _LOGCAT,
        "11-25 10:41:07.123456     0     0 W kernel  : ",
        None,
        _SUB,
        has_stamp=False,
    ),
    Prefix(
        "logcat -v nsec",
        _LOGCAT,
        "11-25 10:41:07.123456789     0     0 W kernel  : ",
        None,
        _SUB,
        has_stamp=False,
    ),
    Prefix(
        "logcat -v color",
        _LOGCAT,
        "\x1b[38;5;40m11-25 10:41:07.123     0     0 W kernel  : ",
        None,
        _MILLI,
        after="\x1b[0m",
        has_stamp=False,
    ),
    Prefix(
        "logcat -v time",
        _LOGCAT,
        "11-25 10:41:07.123 W/kernel  (    0): [   12.{us}] ",
        None,
        _MILLI,
    ),
    Prefix(
        "logcat -v time -v uid",
        _LOGCAT,
        "11-25 10:41:07.123 W/        ( root:    0): ",
        None,
        _MILLI,
        has_stamp=False,
    ),
    Prefix("logcat -v brief -v uid", _LOGCAT, "W/kernel  ( 1000:    0): [   12.{us}] "),
    Prefix("logcat -v process", _LOGCAT, "W(    0) ", has_stamp=False),
    Prefix("logcat -v thread", _LOGCAT, "W(    0:    0) [   12.{us}] "),
    Prefix("logcat -v tag", _LOGCAT, "W/kernel  : [   12.{us}] "),
    # date(1)
    Prefix(
        "date",
        "glibc locale en_US: date_fmt %a %b %e %r %Z %Y",
        "Sat Nov 25 10:41:07 AM UTC 2023 [   12.{us}] ",
        None,
        _DAY,
    ),
    Prefix(
        "date",
        "glibc locale en_US: date_fmt",
        "Sat Nov 25 12:41:07 AM UTC 2023: ",
        None,
        "2023-11-25T00:41:07",
        has_stamp=False,
    ),
    Prefix(
        "date",
        "glibc locale en_US: date_fmt",
        "[Sat Nov 25 03:41:07 PM UTC 2023] ",
        None,
        "2023-11-25T15:41:07",
        has_stamp=False,
    ),
    Prefix(
        "date",
        "glibc locale en_US: date_fmt of 2.29",
        "Sat 25 Nov 2023 10:41:07 AM UTC ",
        None,
        _DAY,
        has_stamp=False,
    ),
    Prefix(
        "date",
        "glibc locale en_GB: date_fmt",
        "Sat 25 Nov 10:41:07 UTC 2023 ",
        None,
        _DAY,
        has_stamp=False,
    ),
    Prefix("ts", "moreutils ts '%b %e %r'", "Nov 25 10:41:07 AM [   12.{us}] ", None, _DAY),
    # Loggers of programs
    Prefix(
        "log4j",
        "PatternLayout [%d] [%p]",
        "[2023-11-25 10:41:07,123] [INFO] [   12.{us}] ",
        None,
        _MILLI,
    ),
    Prefix(
        "log4j",
        "PatternLayout %d [%t] %p %c - %m",
        "2023-11-25 10:41:07,123 [main] INFO  com.x.Y - [   12.{us}] ",
        None,
        _MILLI,
    ),
    Prefix("logging of Python", "logging.BASIC_FORMAT", "INFO:console:[   12.{us}] "),
    Prefix(
        "logging of Python",
        "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
        "2023-11-25 10:41:07,123 - console - DEBUG - [   12.{us}] ",
        None,
        _MILLI,
    ),
    # Xen
    Prefix(
        "Xen",
        "xen/drivers/char/console.c printk_start_of_line",
        "(XEN) [2023-11-25 10:41:07.123] [   12.{us}] ",
        None,
        _MILLI,
    ),
    Prefix(
        "Xen",
        "xen/drivers/char/console.c guest_printk",
        "(XEN) [2023-11-25 10:41:07] (d1) [   12.{us}] ",
        None,
        _DAY,
    ),
    Prefix("Xen", "xen/drivers/char/console.c guest_printk", "(d1) [   12.{us}] "),
    # Continuous integration
    Prefix(
        "GitHub Actions", "logs of jobs", "2023-11-25T10:41:07.1234567Z [   12.{us}] ", None, _SUB
    ),
    Prefix(
        "GitHub Actions",
        "logs of jobs",
        "2023-11-25T10:41:07.1234567Z ##[group][   12.{us}] ",
        None,
        _SUB,
    ),
    Prefix(
        "GitHub Actions",
        "logs of jobs",
        "2023-11-25T10:41:07.1234567Z ##[error]<4>[   12.{us}] ",
        4,
        _SUB,
    ),
    Prefix(
        "gh run view --log",
        "cli/cli pkg/cmd/run/view",
        "boot\tRun the guest\t2023-11-25T10:41:07.1234567Z ",
        None,
        _SUB,
        has_stamp=False,
    ),
    Prefix(
        "GitLab CI",
        "documentation of job logs: sections",
        "section_start:1700000000:boot\r\x1b[0K[   12.{us}] ",
    ),
    Prefix(
        "GitLab CI",
        "documentation of job logs: sections",
        "\x1b[0Ksection_start:1700000000:boot[collapsed=true]\r\x1b[0K",
        has_stamp=False,
    ),
)
