# SPDX-License-Identifier: GPL-2.0-or-later
"""klogd-py logs kernel messages and replaces raw code addresses with symbol names.

The packages, in the order of their dependencies (a package imports only from those above it):

    record      the values of a message: Record, Gap, Entry, SymbolAddress; pure
    system      access to the operating system: sockets, privileges, threads, log setup
    watch       notifications of changed files and of loaded modules
    oops        parsers for oops texts: addresses, stack traces, crash lines; pure
    sources     /dev/kmsg, /proc/kmsg and captured logs
    symbols     System.map, vmlinux, kallsyms, modules, and the KASLR offset
    config      the configuration file and the options
    sinks       syslog, journald, files and the console, with a queue for each sink
    pipeline    the stages between the source and the sinks
    monitoring  the status document, the status socket and the metrics
    lifecycle   reactions of the daemon to signals, changes and the service manager
    daemon      the long-running service
    doctor      the checks of ``klogd-py doctor``
    cli         the commands klogd-py and klogd

docs/architecture.md describes the flow of a record; tests/test_imports.py checks the imports.
"""

__version__ = "0.1.0"
