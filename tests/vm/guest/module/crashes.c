// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One crash for each way in which the kernel reports one. The function to blame has a name of its own and is never inlined.
 * What kills its thread has a thread of its own; what needs a debug option of the kernel does nothing without it.
 */
#include <linux/atomic.h>
#include <linux/bottom_half.h>
#include <linux/bug.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>

#include "crashes.h"

/* Nothing is mapped between the firmware's region and the kernel's text, nor here on arm64. */
#define WILD 0xffffffff00badbadUL
/* Of no half of the address space, with 48 bits as with 57. */
#define NONCANONICAL 0x1badbadbadbadbadUL

/* Longer than twice watchdog_thresh=2, and shorter than until the second report. */
#define LOCKUP_MS 6500
/* Longer than rcu_cpu_stall_timeout=3. */
#define STALL_MS 4500
/* Longer than hung_task_timeout_secs=5 and one check. */
#define HANG_MS 8000
/* Longer than it takes to print a report. */
#define RECURSION_MS 500
/* So many have room in the smallest ring buffer, 128 KiB. */
#define MANY 25
#define MANY_PER_CPU 20
#define WAIT_LIMIT_MS 10000

/* What the compiler must not see through. */
static unsigned long volatile null_address;
static unsigned long volatile wild_address = WILD;
static unsigned long volatile noncanonical_address = NONCANONICAL;
static int volatile nothing;
static int volatile without_end = 1 << 20;

static noinline void touch_null_pointer(void)
{
	*(volatile int *)null_address = 1;
}

static noinline void touch_wild_pointer(void)
{
	*(volatile char *)wild_address;
}

static noinline void touch_noncanonical(void)
{
	*(volatile char *)noncanonical_address;
}

/* On arm64 the quotient is 0, and nothing happens. */
static noinline void divide_by_nothing(void)
{
	nothing = 1000 / nothing;
}

static noinline void hit_a_bug(void)
{
	BUG_ON(!nothing);
}

static noinline void corrupt_a_list(void)
{
	static LIST_HEAD(list);
	static struct list_head first, second;

	INIT_LIST_HEAD(&list);
	list_add(&first, &list);
	first.prev = &second;
	list_add(&second, &list);
}

static noinline void complain_once(void)
{
	WARN_ON_ONCE(!nothing);
}

static noinline void take_dead_reference(void)
{
	static refcount_t count;

	refcount_set(&count, 0);
	refcount_inc(&count);
}

/*
 * The kernel finds it when it gives the object away again. It never uses the slab again, so that the cache cannot be
 * destroyed: a module that is loaded once more must not do this again.
 */
static noinline void write_after_free(void)
{
	static struct kmem_cache *cache;
	char *volatile object, *volatile neighbour;

	if (!cache)
		cache = kmem_cache_create("klogd_trouble", 64, 0, SLAB_CONSISTENCY_CHECKS | SLAB_POISON | SLAB_STORE_USER, NULL);
	if (!cache)
		return;
	neighbour = kmem_cache_alloc(cache, GFP_KERNEL);
	object = kmem_cache_alloc(cache, GFP_KERNEL);
	if (!neighbour || !object)
		return;
	kmem_cache_free(cache, object);
	object[8] = 'x';
	object = kmem_cache_alloc(cache, GFP_KERNEL);
	barrier();
}

#ifdef CONFIG_DEBUG_SPINLOCK
static DEFINE_SPINLOCK(lock);

static enum hrtimer_restart release_lock(struct hrtimer *unused)
{
	arch_spin_unlock(&lock.rlock.raw_lock);
	return HRTIMER_NORESTART;
}
#endif

/* Reported, it would be a deadlock: an interrupt ends it. The thread for softirqs may not get the processor. */
static noinline void take_lock_twice(void)
{
#ifdef CONFIG_DEBUG_SPINLOCK
	static struct hrtimer release;

	hrtimer_init(&release, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	release.function = release_lock;
	spin_lock(&lock);
	hrtimer_start(&release, ms_to_ktime(RECURSION_MS), HRTIMER_MODE_REL);
	spin_lock(&lock);
	spin_unlock(&lock);
	/* The first spin_lock() counts as well; the lock is free */
	preempt_enable();
#endif
}

/* The scheduler itself resets the count that local_bh_disable() has raised. It counts on every kernel. */
static noinline void nap_while_atomic(void)
{
	local_bh_disable();
	msleep(20);
	barrier();
}

static noinline void take_mutex_while_atomic(void)
{
	static DEFINE_MUTEX(mutex);

	preempt_disable();
	mutex_lock(&mutex);
	mutex_unlock(&mutex);
	preempt_enable();
}

static noinline void spin_too_long(void)
{
	unsigned long end = jiffies + msecs_to_jiffies(LOCKUP_MS);

	preempt_disable();
	while (time_before(jiffies, end))
		cpu_relax();
	preempt_enable();
}

static noinline void hold_up_rcu(void)
{
	unsigned long end = jiffies + msecs_to_jiffies(STALL_MS);

	preempt_disable();
	start_poll_synchronize_rcu();
	while (time_before(jiffies, end))
		cpu_relax();
	preempt_enable();
}

static DECLARE_COMPLETION(nobody);

static void end_hang(struct timer_list *unused)
{
	complete_all(&nobody);
}

static DEFINE_TIMER(hang_timer, end_hang);

static noinline void hang_on_nobody(void)
{
	reinit_completion(&nobody);
	mod_timer(&hang_timer, jiffies + msecs_to_jiffies(HANG_MS));
	wait_for_completion(&nobody);
	barrier();
}

/* Not survived: the stack's guard page is hit while the processor delivers an exception. */
static noinline int recurse_without_end(int depth)
{
	volatile char room[256];

	room[0] = depth;
	if (depth > without_end)
		return 0;
	return recurse_without_end(depth + 1) + room[0];
}

static noinline void overflow_the_stack(void)
{
	recurse_without_end(0);
}

static noinline void complain_often(void)
{
	int i;

	for (i = 0; i < MANY; i++)
		WARN(1, "klogd_trouble: complaint %d\n", i);
}

static atomic_t arrived;

static noinline void complain_on_first_cpu(int i)
{
	WARN(1, "klogd_trouble: complaint %d of the first CPU\n", i);
}

static noinline void complain_on_second_cpu(int i)
{
	WARN(1, "klogd_trouble: complaint %d of the second CPU\n", i);
}

static int complain_together(void *cpu)
{
	int i;

	atomic_inc(&arrived);
	while (atomic_read(&arrived) < 2)
		cond_resched();
	for (i = 0; i < MANY_PER_CPU; i++) {
		if (cpu)
			complain_on_second_cpu(i);
		else
			complain_on_first_cpu(i);
	}
	return 0;
}

static void wait_until_dead(struct task_struct *thread)
{
	int waited_ms;

	for (waited_ms = 0; !READ_ONCE(thread->exit_state) && waited_ms < WAIT_LIMIT_MS; waited_ms += 10)
		msleep(10);
	put_task_struct(thread);
}

static struct task_struct *thread_on(int (*function)(void *), void *what, int cpu, const char *name)
{
	struct task_struct *thread = kthread_create(function, what, "trouble/%s", name);

	if (IS_ERR(thread))
		return NULL;
	if (cpu >= 0)
		kthread_bind(thread, cpu);
	get_task_struct(thread);
	wake_up_process(thread);
	return thread;
}

static void complain_on_both(void)
{
	struct task_struct *threads[2];
	long cpu;

	atomic_set(&arrived, num_online_cpus() > 1 ? 0 : 1);
	for (cpu = 0; cpu < 2; cpu++)
		threads[cpu] = cpu_online(cpu) ? thread_on(complain_together, (void *)cpu, cpu, cpu ? "1" : "0") : NULL;
	for (cpu = 0; cpu < 2; cpu++)
		if (threads[cpu])
			wait_until_dead(threads[cpu]);
}

struct crash {
	const char *name;
	void (*make)(void);
};

/* In the process that asks for it. */
static const struct crash survived[] = {
	{ "once", complain_once },
	{ "refcount", take_dead_reference },
	{ "slub", write_after_free },
	{ "sleeping", take_mutex_while_atomic },
	{ "cpus", complain_on_both },
};

/* In a thread of its own. */
static const struct crash in_thread[] = {
	{ "null", touch_null_pointer },
	{ "wild", touch_wild_pointer },
	{ "gpf", touch_noncanonical },
	{ "divide", divide_by_nothing },
	{ "bugon", hit_a_bug },
	{ "list", corrupt_a_list },
	{ "recursion", take_lock_twice },
	{ "atomic", nap_while_atomic },
	{ "lockup", spin_too_long },
	{ "stall", hold_up_rcu },
	{ "hung", hang_on_nobody },
	{ "warns", complain_often },
	{ "overflow", overflow_the_stack },
};

static int run_crash(void *given)
{
	const struct crash *crash = given;

	crash->make();
	return 0;
}

bool make_crash(const char *name)
{
	struct task_struct *thread;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(survived); i++) {
		if (sysfs_streq(name, survived[i].name)) {
			survived[i].make();
			return true;
		}
	}
	for (i = 0; i < ARRAY_SIZE(in_thread); i++) {
		if (sysfs_streq(name, in_thread[i].name)) {
			thread = thread_on(run_crash, (void *)&in_thread[i], -1, in_thread[i].name);
			if (thread)
				wait_until_dead(thread);
			return true;
		}
	}
	return false;
}

void end_crashes(void)
{
	del_timer_sync(&hang_timer);
}
