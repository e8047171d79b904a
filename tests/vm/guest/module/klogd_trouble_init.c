// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A module that crashes while it is loaded: with how=oops the loading process dies, with how=fail it warns and the module
 * is gone when the warning is read. For the guests of vm-lab only.
 */
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/string.h>

static char *how = "oops";
module_param(how, charp, 0);

static unsigned long volatile null_address;

static noinline void __init touch_null_at_load(void)
{
	*(volatile int *)null_address = 1;
}

static noinline void __init complain_at_load(void)
{
	WARN(1, "klogd_trouble_init: not loaded\n");
}

static int __init klogd_trouble_init_init(void)
{
	if (!strcmp(how, "fail")) {
		complain_at_load();
		return -ENODEV;
	}
	touch_null_at_load();
	return 0;
}

module_init(klogd_trouble_init_init);
MODULE_DESCRIPTION("Trouble while loading, for the tests of klogd-py");
MODULE_LICENSE("GPL");
