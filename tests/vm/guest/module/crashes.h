/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KLOGD_TROUBLE_CRASHES_H
#define KLOGD_TROUBLE_CRASHES_H

#include <linux/types.h>

/* Make the crash of that name; false if there is none. */
bool make_crash(const char *name);

/* Wait for what a crash has left to be done later: before the module is unloaded. */
void end_crashes(void);

#endif
