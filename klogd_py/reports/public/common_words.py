# SPDX-License-Identifier: GPL-2.0-or-later
"""Words of which the texts of kernel messages are made: plain English, types, parts of the kernel.

No name of a person, of a program or of what machines are often called is among them.
"""

_WORDS = """
0x0 1st 2nd 3rd ____ptrval____ __be16 __be32 __be64 __gfp_nofail __gfp_zero __kmalloc __le16 __le32
__le64 __u16 __u32 __u64 __u8 abi able about above absent accept acceptable accepted accepts
accessed accesses accessible according accordingly account accounted accounting accurate acked acks
acl acpi acpi_os acquires action actions activated activates activation actual actually adapter
added addition additional additionally addr adds adjacent adjust adjusted adjusting adjustment
administrative advance advanced advice aead aer affected affects again against ago ahci ahead
algorithm alias aliased aliases align aligned allowed allowing allows almost alone along alpha alsa
also alternate alternative although always amd amdgpu aml among amount ancestor anonymous another
answer any anymore anyone anything anyway anywhere ap apart apei api apm appear appears append
appended applied applies apply applying approach appropriately arch architecture area areas aren't
argument arguments arp array arrays arrived asid aside asked asserted assertions assign assigned
assignment associated assume assumed assumes assuming assumption ata atapi ath10k ath11k ath9k
atomic64_t atomic_t atomically atomics attach attached attaching attachment attempt attempts
attention attribute attributes audit auto automatic automatically aux available avoided avoiding
aware away backed backing backlog backs backward backwards balancing bank banks bar barrier barriers
bars base basic batch bdi be because becomes becoming began begin beginning begins begun behavior
behind believe below beneath besides best better between beyond bigger biggest binary bind binding
bio bios bit bitlock bits blank blk blk-mq block blocking blocks bluetooth bnxt bogusly bool both
bottom bottom-half bound boundaries boundary bpf bpf_prog branch break breaking breakpoint breaks
bridge brief briefly bring broadcast brought bss btf btree btrfs bucket buckets buddy buffer
buffered buffers bug_on_data_corruption bugs build building built builtin bulk bump bumped burst
busier bypass bypassed byte cacheline caches caching calculate calculated calculation callback
callbacks caller caller's callers calling came cancel canceled cancelled cancelling capabilities
capability capable capacity capped capture captured careful carefully carrier carry case cases cast
catch causes causing cdev certain certainly cet cfs changes changing channels char character
characters checked checker checking checks checksum checksums child children chip choice choose
chose chosen circuit claim claimed claims class classes clean cleaned cleaning cleanup clear cleared
clearing clears clobber clock clocks clocksource clone cloned closed closes closing cma cmd cmdline
cmpxchg cntv coalesce codes coherent cold collapse collect collected collection collision column
combination combined come comes coming command commands commit commits committed committing common
communication compact compaction compared comparing comparison compatible compile compiled compiler
complained complete completed completely completes completing completion completions complex
component components compound compress compressed compression computed concurrent concurrently
condition conditional conditions config configfs configuration configure configured configuring
confirm conflict conflicting conflicts confused connect connected connecting connection connections
consecutive consider considered consistency consistent const constant constraint constraints
construct consume consumed consumer consumers consuming contain contained container containing
contains contents contiguous continues continuing continuous controlled controller controllers
conversion convert converted copied copies copying core cores corner correct corrected correcting
corrections correctly corresponding corruptions cost could counted counters counting counts couple
course cover covered cpio cpufreq cpuidle cpumask crash crashed crashes crashing crc crc32 create
created creates creating credit credits cross crossed crtc crypto current's currently cxl cycle
cycles cyclic damage damaged dangerous dangling dax dcache dcb deactivate deactivated deal dealing
debug_locks_warn_on debug_pagealloc debugging debugobjects decide decided decimal decoded
decompressing decrease decreased decrement decremented decrypt deeper default defaults defer define
defined definitely definition degraded delay delayed_work delays delegate delete deleted deletes
deleting deletion deliver delivered delivery delta demand denied dentries deny depend dependencies
dependent depending depends depth dereferenced dereferencing derived descriptors design desired
destination destroy destroying destruction detach detached detail detailed details detect determine
determined devfreq devfs devices devlink devm devres did didn't died dies differ difference
different differently differs difficult digest digit digits direct direction directly directories
directory dirtied dirty disappear disappeared discard discarded discarding disconnect disconnected
disk disks dispatch dispatched distance distinct divided division dm dma dma-api dmabuf dmi do
documentation does doesn't doing domain domains don't done door doorbell dot doubly doubt down
downgrade downgraded downgrading dozen drain drained draining driver driver's drivers drm drop
dropped dropping drops ds dsi dst dtb dts due dummy dumped dumping dumps duplicate duplicated
duplicates duration dying dynamic dynamically each eagain earlier earliest easily easy ebpf ebusy
ecc edac edge eeh eevdf efault effect effective efi ehci einval eio eisa either elapsed element
elements elf eligible else elsewhere embedded empties enables enabling enclosure encoded encoder
encoding encounter encountered encrypted encryption endian endless endpoint endpoints ends enforce
engine enodev enoent enomem enospc enough enqueue enqueued ensure enter entered entering enters
entire entirely entries enum environment eopnotsupp eperm epoll equal equals erofs errata erratum
errno erroneous error_code errors escape especially esr essential established etc even event eventfd
events eventually every everyone everything everywhere evict evicted eviction exact exactly examine
example exceed exceeding exceeds except exceptional excessive exchange excluded exclusive
exclusively exec executable executed executing execution exhausted exhaustion exist existed
existence existing exists exited exiting exits expand expect expectation expects expensive
expiration expire expired expires expiring expiry explicit explicitly exponent export exported
expose exposed exposure ext2 ext3 ext4 extable extend extended extension extensions extent extents
external extra extract extreme extremely f2fs fact factor fail failing fails failures fake fall
fallback falling falls false far fast faster fat fatally faulted faulting faults fdt feature
features fence fences fentry fetch fetched fetching few fewer fib field fifo file's filemap filename
files filesystem filesystems fill filled filling filter filtered filters final finalize finally fine
finish finished finishes finishing fire fired fires firing fit fits fix fixes fixmap flag flagged
flight flip flipped floppy flow flows flush flushed flushes flushing folio folios follow followed
following follows forbidden force forced forcibly forcing forever forget forgot forgotten fork
forked formatted formed former forth fortify forward forwarding fpu fraction fragment fragmentation
fragmented fragments framebuffer frames framework free_list frees frequency frequent frequently
fresh front frozen fscrypt fsnotify fsync ftrace fully functional further fuse futex gap garbage
gate gather gave generate generated generating generation genirq get gets getting gfp gfp_atomic
gfp_kernel gfp_nofail gfp_nofs gfp_noio gfp_t gic give given gives giving go goes going gone good
got gpio gpiolib gpt gpu grab grabbed grabbing granted great greater gro group groups grow growing
grown gso guarantee guaranteed guards guess guest guilty had half halt halting hand handled
handler's handlers handles hanging hangs happening happens hardcoded harmful harmless hashed hasn't
have haven't having hci hda hdmi headers heap heavy height help helper helpers hence here hfs
hfsplus hid hidden hide hierarchy higher highest hits hlist_node holder holders hole holes hook
hooks hop hopefully hot hotplug hour hours how however hrtimer_start huge hugepage hugepages hugetlb
hundred hundreds hwmon hwpoison i/o i2c i915 icmp id ide idea identical identified identifier
identify ids ieee if ignore ignores ignoring illegally ima image images imbalance immediately
immutable impact implement implementation implemented implicit implicitly implies important
impossible improper improperly in_atomic in_interrupt inaccessible include included includes
including incoming incompatible incomplete inconsistency incorrectly increase increased increases
increasing increment incremented indeed independent index indexes indicate indicated indicates
indicating indication indices indirect indirectly individual inet infinite inform information
inherit inherited initial initialise initialising initialize initializing initially initiate
initiated initiator initrd injected injecting injection inline inner inode's inode_operations
inotify input insane insert inserted inserting insertion inspect install installed installing
instance instances instead instructions int int16_t int32_t int64_t int8_t intact integrity intel
intended intent intentionally interact interface interfaces interference interleaved intermediate
internally interpreter interrupted interrupting interval invalidate invalidated invalidating
invalidation inverse inversions invoke invokes invoking involved io_uring ioapic ioctl iomap iommu
iommus ioremap iova ip6 ipc ipv4 ipv6 irq_work irqchip irqs_disabled isa iscsi isn't isolate
isolated isolation issue issued issues issuing it item items iterate iteration iterations iterator
itself iwlwifi jbd jffs2 jfs journal journaling jumped just kallsyms kcov kdump keep keeping keeps
kept kernel's keyring keys kfree kfree_rcu kind kinds kmap kmem kmem_cache know knowing known knows
kobjects kprobe kprobes ksm kswapd kthreads kvfree kvm label labels lack lacking lacks lapic large
later latest latter layer layers layout lazy lba lbr ldisc lead leading leads leaf leaking leaks
leap learned lease least leave leaves leaving left legacy legal legitimate length lengths let levels
lie lies life lifetime light like likely limited limiting linear lines link linkage linked links
linux list_head list_poison1 list_poison2 listed listen listening lists literal little live lives
loaded loader loading loads locally localversion located location locations lockdep_assert locked
locker lockless loff_t log logged logging logical logically logs lookup loopback loops lose loses
losing loss lost lots lower lowest lru lsm lying mac mac80211 made mailbox main mainly maintain
maintained maintenance major makes making malformed manage managed management manager manual
manually many mapcount mappings maps marked marker marking marks masked masks match matched matches
matching max_lock_depth max_lockdep_chains max_lockdep_entries max_order max_page_order
max_stack_trace_entries maximal maximum may mca mce mdio me mean meaning means meant meanwhile
measure measured mechanism media medium memblock memcg memcpy memmove memories memory-failure memset
memslot merely merge merged merging messages messed met metadata method methods middle might migrate
migrated migratetype migrating migration million millisecond milliseconds mind mine minimal minimum
minor minute minutes mirror misbehaving misconfigured mishandled misplaced miss missed misses
mistake mistaken misused mixed mixing mlock mlx4 mlx5 mmap mmio mmu mmu_notifier modification
modified modifies modifying moment monitor month months most mostly mounted mounting mounts move
moved moves moving mprotect mremap msi msr mtd mtrr much mutable mutexes myself namely names
namespace napi narrow native ncq nearly necessarily necessary need needed needing needs neighbor
neighbour neither nest nesting net_device netdev netdevice netfilter netlink netns network never
nevertheless new newer newest newly nf_tables nfs nfsd nfsv4 nft noapic nodes noise non-empty
non-linear nonblocking nonexistent nonzero nopti nor normally notable note noted notes nothing
notice noticed notified notify nouveau now nowhere nr nr_running nsec ntfs ntfs3 null-pointer numa
number numbers numeric nvme obey objtool obsolete obtain obtained obvious obviously occasion
occupied occur occurred occurring occurs ocfs2 odd of_node offending offlined offlining offsets oh
ok okay older oldest omit omitted ones onlined onlining onto oom oom-killer oom_score_adj oopses op
opaque opened opening opens operate operated operating operational operations operator opp
opportunity opposed opposite ops optimization optimized option optional options orderly orders
organized origin original originally originating orphan orphaned osd other others otherwise ought
our ours ourselves out-of-memory outcome outer outgoing output outputs outside outstanding over
overall overcommit overflowed overflows overhead overlap overlapping overlaps overlay overlayfs
overridden override overrides overwrite overwrites overwriting owned owners ownership owns pack
packed packet packets pad padding page_owner pageblock pagecache pagefault pair paired pairs
panic_on_oops panics parallel param parameter parameters parents parity parse parsed parsing
particular particularly partition partitions parts pass passed passes passing passive past pat patch
patched path pattern patterns pause paused pci pcie pcpu pcpu_alloc peer peers pending people per
per-cpu percent percentage percpu_counter percpu_ref perf perfect perform performance performed
performing performs perhaps periodic permanent permanently permit permitted persist persistent pfn
pfns pgd_t phase phy phys picked picking pid_t piece pieces pinned pinning pins pipe pipe_buf pkru
placed places plain plan platform play pleasant pll plug plugged plus pm pmd_t pmem pmu pointed
pointers pointing points poke poll polled polling poor pop popped populate populated portion
position positions positive post posted posting ppp pr precise precision predicate preempt_count
preempt_disable preempt_dynamic preempt_rt prefer preferred prefix premature prematurely preparation
prepare prepared preparing presence presented preserve preserved press prevent prevented preventing
prevents prior priorities privilege privileged privileges problem problematic problems procedure
proceed proceeding processed processing processor processors produce produced produces profile
program programmed progress prohibited promiscuous promise promote prone proper properly properties
property proposed protect protecting protocol protocols prove provide provided provider provides
providing pselect psi pstore ptdesc pte_t pti ptr ptrace ptrs ptrval pty public publish published
pud_none pud_t pull pulled punch purge purged purpose push pushed pushing put puts putting pwm qdisc
queries query question queueing queues queuing quick quiesce quiet quirk quite quota quotas radeon
radix raid raise raised raises raising ramdisk ran rate ratelimit ratelimited rates rather ratio
rbtree rcu_bh rcu_head rcu_lockdep_warn rcu_preempt rcu_sched rcu_tasks rcutree rdma rdtsc re-enable
re-enabled reach reaches reaching react readahead reader readers reading reads ready real really
reap reaped reason reasonable reasons reboot rebooted rebooting rebuild receive received receiver
receives receiving recently reclaimable reclaimed reclaiming recognise recognised recognize
recognized reconfigure record recorded recording records recoverable recovered recovering recreate
recursively recv redirect redirected redo reduce reduced reducing redundant reentrant refault
refcounted refcounts refer referenced references referring refers refill refresh refuse refused
refusing regardless regular reiserfs reject rejected rejecting rejects relative relatively relaxed
relay releases releasing relevant reliable reliably relink reload reloaded rely relying remain
remainder remained remaining remains remap remapped remember remote removal removes rename renamed
renaming repair repeat repeated repeatedly replace replaced replacement replacing reply report
reported reporting reports represent requested requests require requirement requires requiring
reschedule rescue rescuer resetting reside resides resize resized resolution resolve resolved
resolving resources respect respectively respond responding response responses rest restart
restarted restarting restore restoring restrict restricted restriction results resume resumed
resuming retried retries returned returns reuse reused revalidate revert reverted review revision
revoke revoked rewind rewrite rfkill rhashtable ring ringbuf rings rise risk rmap role roll rollback
rolled room rotate rotated rotation rough round rounded rounding route routed routes routine
routines routing row rows rps rq rt rtc rule rules runnable runqueue runs runtime rx s128 s16 s32
s390 s64 s8 sacrifice safely safety sample samples sampling sane sanity sas sata saved saves saving
say saying says scale scan scanned scanning scatter scatterlist sched schedule scheduled scheduler
schedules scheme scm scope score scrub scsi scsi_host sctp sdio seal sealed search searching seccomp
second secondary section sections sector sectors secure see seeing seek seem seems seen segments
select selected selecting selection self-test self-tests selftest selinux send sender sending sends
sense sent separate separated separately seq seqcount seqlock sequences sequential serial serialize
serialized series serious serve served serves service services serving session sessions sets setting
settings setups sev several severe severity sg sgx shadow shall share shares sharing shifts shmem
shorter shot should've shouldn't show showing shown shows shrink shrinker shrinkers shrinking shut
shutting sibling siblings side sides sign signaled signalled signalling signals signature
significant silent silently simd similar similarly simple simply simultaneous simultaneously since
sink site sites situation situations size_t sized sizeof sizes sk sk_buff skas skb skbuff skip
skipping skips slab_panic slabs slave slaves sleeps slept slice slight slightly slots slow slowly
smaller smallest smart smc smi smt snapshot so soc socket sockets softlockups softnet sole solution
some somebody somehow someone something sometime sometimes somewhat somewhere soon sooner sorry
sought spaces span spans spare sparse speak specific specifically specification specified specifies
specify spectre speculation speculative speed spin spinlocks spinning splitting spread spurious
squashfs src srcu sriov ssd sse ssize_t stable stack_guard stackdepot stage staged stages stale
stand standard standing starts statement states static statistic statistics stats statuses stay
staying stays steal step steps stick sticky stolen stopping stops storage stored stores storing
strange stream streams strength strict strictly string strings strong strongly struct structure
structures style sub submission submit submitted submitting subordinate subpage subpool subsequent
subsequently subsystem subtree succeed succeeded succeeds success successful successfully successive
such sudden suddenly suffer sufficient sufficiently suggest suggested suggests suitable sum super
superblock supplied supply support supported supporting supports suppose supposed suppress
suppressed sure surely surprise surprising suspect suspended suspending sustained swapcache swapfile
swapped swapping swaps swiotlb switched switches switching symbolic symbols symlink synced
synchronization synchronize_rcu synchronized synchronizing syscall syscalls systems sysv syzkaller
tables tag tagged tags tainting take taking talk task_interruptible task_running task_struct
task_uninterruptible tasklet tasklets tc tcp tdp tdx tear teardown technically tell telling tells
temporary tend term terminal terminate terminated terminating termination terms tested text thaw
their them themselves then there therefore these they thing things think third those though thought
thousand threaded threshold thresholds throttle throttled throttling through throughout throw thrown
thus tick ticks tie tied tightly timekeeping timeouts timer_list times timestamp timestamps timing
tiny title today together token tokens told tolerate tomorrow took topology torn toss total_mapcount
totally touch touched touches touching toward towards tpm traced tracer traces tracing track tracked
tracker tracking traffic trailing transaction transactions transfer transferred transfers transform
transient transition transitions translate translated translation transmission transmitted
transmitting transparent transport trapped traps traversal traverse treat treated trees tries
triggering triggers trim trimmed trouble true truly truncate truncating truncation trust trusted
truth tsc ttm tty tun tune tunnel tunnels turn turning turns twice tx typed typical typically u128
u16 u32 u64 u8 ubi ubifs udf udp uefi uhci uint uint16_t uint32_t uint64_t uint8_t unallocated
unallowed unaware unbind unblock uncached unchanged uncharge uncharged uncharging unclean unclear
uncommitted unconditional unconditionally uncorrected underflowed underlying understand understood
undo undone unequal unevictable unexpectedly unfortunately unfreed unhashed unhealthy unicast
unidentified uninitialised uninitialized uninstall uninterruptible union unique units universal
unknown-block unless unlike unlink unlinked unlinking unload unloaded unloading unlocking unlucky
unmapping unmasked unmatched unmounted unmounting unnecessarily unnecessary unpack unpaired unpin
unpinned unplug unplugged unpopulated unprivileged unprotected unreachable unreadable unrecognised
unrecognized unregister_netdev unregistering unregisters unrelated unreliable unresolved
unresponsive unset unsolicited unspecified unstable unsuccessful unsuitable unsure until untouched
untracked untrusted unusable unusual unwanted unwind unwinder unwinding unwound unwritable unwritten
updates updating upgrade upgraded upon upper uprobe urb urbs urgent usable usages usb-storage
usbcore usbhid usec useful useless user_namespace userfaultfd users userspace uses usual usually
utilization v4l2 vacant vaddr validate validated validation values variable variables variant
various vary varying vb2 vblank vcpu vdso vectors vendor verbose verifier verifies verify verifying
versions versus very vfat vfio vga vgic vhost victim view violated violates violations virt
virt_to_cache virt_to_phys virtio virtio_net virtqueue virtually visible vlan vmcb vmcs vmem vmemmap
vmstat vmx volatile volume volumes voluntary vsock vt vulnerable waited waiter waiters waits wake-up
waked wakes wakeup wakeups waking walked walking walks want wanted wants warn_ratelimit warn_taint
warned warnings warns wasn't waste wasted ways we weak week weeks weight weird well went were
weren't what whatever whenever whereas wherever whether whichever whilst whole whom whose why wide
width wifi wild will willing window wireguard wish wlan wmi woke woken won't wondering word words
work_struct worked working workload workqueues works workspace worse worst worth would wouldn't
wq_mem_reclaim wrap wrapped wraps writable write-protected writeable writebacks writer writers
writes written wrongly wrote x2apic x86 x86_64 xattr xdp xen xfrm xfs xhci xsave yet yield you yours
yourself yourselves zap zapped zeroed zeroes zeroing zeros zlib zombie zombies zones zram zstd zswap
"""
COMMON_WORDS = frozenset(_WORDS.split())
