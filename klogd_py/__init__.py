# SPDX-License-Identifier: GPL-2.0-or-later
"""klogd-py: the kernel log daemon. It reads the kernel's messages, puts names to the addresses in
them, and hands them to syslog, the journal, files or a terminal.

A record arrives from the kernel, is opened, annotated, and handed to every sink. Opening and
annotating are pure functions of bytes and a symbol atlas; only the edges touch the world.

The rooms:
    record, kmsg, lines, addresses, translate   the spine: pure, no I/O, no clock, no logging
    symbols/                                    where names come from
    sinks/                                      where entries go
    watch/                                      what tells us that the map has changed
    device, replay, position, clock, notify,    the shell: one edge of the world each
    handed, privileges
    counters, status, snapshot, reporting       how things stand, and who is told
    config, invocation, daemon, cli, commands, classic, ownlog

The words: a Record is what the kernel said; a Mention an address inside a text; a Symbol a name at
an address; a Place a symbol and an offset; Unknown the reason why there is none; a Table one sorted
source of symbols; the Atlas all of them in order; an Entry a record with wall time, translated text
and places; a Gap records that were lost; a frame the bytes that a sink puts on its wire; an Outbox
the bounded queue before one sink; the Position where a sink goes on after a restart.
"""

__version__ = "0.1.0"
