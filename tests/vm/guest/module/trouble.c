// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Crash on request: write the name of a kind to /proc/klogd_trouble and the kernel oopses, warns, or
 * logs lines of unusual forms; read the file for run-time addresses. For the guests of vm-lab only.
 */
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "crashes.h"

static struct platform_device *device;
static int *volatile nowhere;

/* Three functions deep, none of them inlined nor tail-called, so that a trace has frames to name. */
static noinline int touch_nothing(int how)
{
	*nowhere = how;
	barrier();
	return how + 1;
}

static noinline int go_deeper(int how)
{
	int result = touch_nothing(how);

	barrier();
	return result + 1;
}

static noinline void oops(void)
{
	pr_info("oops: %d\n", go_deeper(1));
}

static noinline void warn(void)
{
	WARN(1, "klogd_trouble: a warning with text %d\n", 42);
	barrier();
}

static noinline void bug(void)
{
	BUG();
}

static int faulty_thread(void *unused)
{
	return go_deeper(2);
}

static noinline void oops_in_a_thread(void)
{
	struct task_struct *thread = kthread_run(faulty_thread, NULL, "klogd_trouble");

	if (!IS_ERR(thread))
		msleep(200);
}

/* Two at once: their lines interleave, and only the caller tells them apart. */
static noinline void two_oopses(void)
{
	kthread_run(faulty_thread, NULL, "trouble/0");
	kthread_run(faulty_thread, NULL, "trouble/1");
	msleep(500);
}

static void timer_function(struct timer_list *unused)
{
	WARN(1, "klogd_trouble: a warning in a timer\n");
}

static DEFINE_TIMER(timer, timer_function);

static noinline void warn_in_an_interrupt(void)
{
	mod_timer(&timer, jiffies + 1);
	msleep(100);
}

static void every_level(void)
{
	printk(KERN_EMERG "klogd_trouble: level 0\n");
	printk(KERN_ALERT "klogd_trouble: level 1\n");
	printk(KERN_CRIT "klogd_trouble: level 2\n");
	printk(KERN_ERR "klogd_trouble: level 3\n");
	printk(KERN_WARNING "klogd_trouble: level 4\n");
	printk(KERN_NOTICE "klogd_trouble: level 5\n");
	printk(KERN_INFO "klogd_trouble: level 6\n");
	printk(KERN_DEBUG "klogd_trouble: level 7\n");
	printk("klogd_trouble: no level\n");
}

static void continued(void)
{
	pr_info("klogd_trouble: begun");
	pr_cont(" and continued");
	pr_cont(" and ended\n");
	pr_info("klogd_trouble: never ended");
	pr_info("klogd_trouble: a line of its own\n");
	pr_cont("klogd_trouble: continues nothing\n");
}

static void long_line(void)
{
	char *text = kmalloc(1001, GFP_KERNEL);

	if (!text)
		return;
	memset(text, 'x', 1000);
	text[1000] = '\0';
	pr_info("klogd_trouble: long %s end\n", text);
	kfree(text);
}

static void control_characters(void)
{
	pr_info("klogd_trouble: bell \a escape \033[31mred\033[0m tab \t backslash \\ end\n");
	pr_info("klogd_trouble: two\nlines in one record\n");
}

static void utf8(void)
{
	pr_info("klogd_trouble: Gr\303\274\303\237e, \316\272\317\214\317\203\316\274\316\265, \360\237\220\247 and broken \303( end\n");
}

static void with_fields(void)
{
	dev_info(&device->dev, "klogd_trouble: with a device\n");
}

static void flood(void)
{
	int i;

	for (i = 0; i < 1000; i++)
		printk(KERN_INFO "klogd_trouble: flood %d\n", i);
}

/* The stack of this very call in the two forms that leave the naming to a log daemon. */
static noinline void raw_trace(void)
{
#ifdef CONFIG_STACKTRACE
	unsigned long frames[16];
	unsigned int count = stack_trace_save(frames, ARRAY_SIZE(frames), 0), i;

	pr_warn("klogd_trouble: raw trace\n");
	pr_warn("Call Trace:\n");
	for (i = 0; i < count; i++)
		pr_warn(" 0x%lx\n", frames[i]);
	pr_warn("klogd_trouble: classic trace\n");
	for (i = 0; i < count; i++)
		pr_warn(" [<%px>]\n", (void *)frames[i]);
#endif
}

/* One more frame, by a direct call: what ties two frames to one another. */
static noinline void trace_from_deeper(void)
{
	raw_trace();
	barrier();
}

static const struct {
	const char *name;
	void (*make)(void);
} kinds[] = {
	{ "oops", oops },
	{ "warn", warn },
	{ "bug", bug },
	{ "thread", oops_in_a_thread },
	{ "two", two_oopses },
	{ "irq", warn_in_an_interrupt },
	{ "levels", every_level },
	{ "continued", continued },
	{ "long", long_line },
	{ "control", control_characters },
	{ "utf8", utf8 },
	{ "fields", with_fields },
	{ "flood", flood },
	{ "raw", trace_from_deeper },
};

static ssize_t make(struct file *unused, const char __user *from, size_t length, loff_t *offset)
{
	char wanted[16] = "";
	size_t i;

	if (length >= sizeof(wanted) || copy_from_user(wanted, from, length))
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (sysfs_streq(wanted, kinds[i].name)) {
			kinds[i].make();
			return length;
		}
	}
	return make_crash(wanted) ? length : -EINVAL;
}

/*
 * Where things really are, for the tests to measure names by; never in the log. The list of modules is walked from our own
 * entry: a kernel without kallsyms tells nobody else.
 */
static int show_truth(struct seq_file *file, void *unused)
{
	seq_printf(file, "kernel _printk %lx\n", (unsigned long)_printk);
	seq_printf(file, "klogd_trouble go_deeper %lx\n", (unsigned long)go_deeper);
#if defined(CONFIG_X86_64) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
	{
		struct module *module;

		list_for_each_entry(module, &THIS_MODULE->list, list) {
			if ((unsigned long)module < MODULES_VADDR)
				continue; /* the head of the list, in the kernel's data */
			seq_printf(file, "%s .text %lx\n", module->name, (unsigned long)module->core_layout.base);
		}
	}
#endif
	return 0;
}

static int open_truth(struct inode *unused, struct file *file)
{
	return single_open(file, show_truth, NULL);
}

static const struct proc_ops operations = {
	.proc_open = open_truth,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = make,
};

static int __init klogd_trouble_init(void)
{
	device = platform_device_register_simple("klogd_trouble", -1, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	if (!proc_create("klogd_trouble", 0600, NULL, &operations)) {
		platform_device_unregister(device);
		return -ENOMEM;
	}
	return 0;
}

static void __exit klogd_trouble_exit(void)
{
	remove_proc_entry("klogd_trouble", NULL);
	end_crashes();
	platform_device_unregister(device);
}

module_init(klogd_trouble_init);
module_exit(klogd_trouble_exit);
MODULE_DESCRIPTION("Trouble on demand, for the tests of klogd-py");
MODULE_LICENSE("GPL");
