# SPDX-License-Identifier: GPL-2.0-or-later
"""Families of noise: functions that allocate, copy or count, for whoever has called them."""

from klogd_py.reports.blame.noise_family import NoiseFamily, family

MEMORY: tuple[NoiseFamily, ...] = (
    family(
        "allocators",
        "allocate or free for their caller: mm/slab*.c, mm/page_alloc.c, mm/vmalloc.c, "
        "mm/percpu.c, mm/mempool.c",
        "___cache_free ___slab_alloc __alloc_percpu __dump_page __free_one_page __free_page "
        "__free_pages __free_pages_core __free_pages_ok __krealloc __ksize "
        "__page_frag_alloc_align __page_frag_cache_drain __page_frag_cache_refill __put_page "
        "__slab_alloc __slab_free __unfreeze_partials __vmalloc __vunmap "
        "alloc_debug_processing alloc_fresh alloc_large_system_hash alloc_percpu "
        "alloc_single_from_new_slab alloc_single_from_partial allocate_slab bad_page "
        "bad_page_reason cache_alloc cache_alloc_debugcheck_after cache_alloc_refill "
        "cache_flusharray cache_free cache_free_array cache_free_debugcheck cache_grow "
        "cache_grow_begin cache_grow_end check_free_page_bad check_new_page_bad "
        "check_new_pages deactivate_slab discard_slab do_slab_free dump_page fail_dump "
        "fail_usercopy free_block free_debug_processing free_frozen_pages free_hot_cold_page "
        "free_one_page free_page free_page_is_bad free_page_is_bad_report free_pages "
        "free_pages_check free_pages_check_bad free_pages_prepare free_pcp_prepare "
        "free_pcppages_bulk free_percpu free_tail_page_prepare free_tail_pages_check "
        "free_to_partial_list free_unref_folios free_unref_page free_unref_page_commit "
        "free_unref_page_list free_unref_page_prepare get_any_partial get_from_any_partial "
        "get_from_partial get_from_partial_node get_page_from_freelist get_partial "
        "get_partial_node kmalloc_large kmalloc_large_node kmalloc_large_node_noprof "
        "kmalloc_order kmalloc_order_trace kmalloc_slab kmem_cache_destroy "
        "kmem_cache_shutdown krealloc ksize kvfree kvmalloc memdup_user memdup_user_nul "
        "mempool_alloc mempool_free new_slab page_counter_cancel page_frag_alloc "
        "page_frag_free page_pool_alloc pcpu_alloc pcpu_alloc_noprof post_alloc_hook "
        "prep_new_page put_cpu_partial put_page qlink_free qlist_free_all release_pages "
        "rmqueue should_fail should_fail_alloc_page should_fail_ex should_fail_usercopy "
        "should_failslab shutdown_cache slab_alloc slab_alloc_node slab_free "
        "slab_free_freelist_hook slab_post_alloc_hook slab_pre_alloc_hook strndup_user vfree "
        "vmalloc vmalloc_user vmemdup_user vunmap vunmap_range vzalloc warn_alloc "
        "warn_alloc_failed",
        r"kmalloc __kmalloc ___kmalloc __do_kmalloc kmem_cache_(?:alloc|free|zalloc) kfree "
        r"__kmem_cache_(?:alloc|free) kvmalloc __kvmalloc kcalloc kzalloc kmemdup kstrdup "
        r"krealloc __alloc_pages alloc_pages alloc_frozen_pages __alloc_frozen "
        r"alloc_page(?:_|$) alloc_pages_ __get_free_page get_zeroed_page alloc_vmap_area "
        r"__vmalloc_ vmalloc_ __vmalloc vfree kvfree slab_ mempool_(?:alloc|free|init|create) "
        r"devm_k[a-z]*alloc devm_k alloc_slab folio_alloc pcpu_ __get_vm_area kasprintf "
        r"kvasprintf devres_(?:alloc|add) dma_pool_(?:alloc|free) kmem_cache_create "
        r"create_cache _*page_pool_(?:alloc|refill|put|return) "
        r"_*(?:do_)?k[vmz]?(?:alloc|realloc)",
    ),
    family(
        "page cache",
        "serve the file system or the mapping that called: mm/filemap.c, mm/truncate.c, "
        "mm/page-writeback.c",
        "__add_to_page_cache_locked __bforget __brelse __filemap_add_folio "
        "__filemap_get_folio __folio_end_writeback __folio_lock __folio_mark_dirty "
        "__lock_page __set_page_dirty account_page_dirtied add_to_page_cache_locked "
        "add_to_page_cache_lru brelse delete_from_page_cache end_page_writeback "
        "filemap_add_folio filemap_get_entry filemap_get_folio filemap_get_pages "
        "filemap_remove_folio find_get_entries find_get_entry find_get_page find_get_pages "
        "find_lock_entries find_lock_page folio_account_dirtied folio_end_writeback "
        "folio_mapping folio_mark_accessed folio_mark_dirty folio_unlock folio_wait_bit "
        "folio_wait_stable folio_wait_writeback grab_cache_page_write_begin "
        "invalidate_inode_pages2 invalidate_inode_pages2_range invalidate_mapping_pages "
        "ll_rw_block lock_page mark_buffer_dirty mark_buffer_dirty_inode mark_page_accessed "
        "page_mapping pagecache_get_page set_page_dirty set_page_dirty_lock submit_bh "
        "submit_bh_wbc test_clear_page_writeback truncate_inode_pages "
        "truncate_inode_pages_final truncate_inode_pages_range unlock_page "
        "wait_for_stable_page wait_on_page_bit wait_on_page_writeback write_dirty_buffer",
        r"__?set_page_ folio_(?:flags|wait|lock|end|put|get|large|test|ref) page_ref_ "
        r"__filemap_fdatawait",
    ),
    family(
        "primitives",
        "operate on a word or a node of their caller's structure: atomics, bits, lists, "
        "red-black trees, checksums",
        "__cmpxchg __siphash_aligned __sw_hweight32 __sw_hweight64 _find_first_bit "
        "_find_first_zero_bit _find_next_bit _find_next_zero_bit arch_cmpxchg bin2hex "
        "clear_bit cmpxchg constant_test_bit csum_partial csum_partial_copy_nocheck "
        "csum_tcpudp_magic do_csum find_first_bit find_first_zero_bit find_last_bit "
        "find_next_bit find_next_zero_bit fixup_exception get_unaligned_be32 "
        "get_unaligned_le16 get_unaligned_le32 get_unaligned_le64 hex2bin hweight_long jhash "
        "jhash2 klist_add_tail klist_children_get klist_children_put klist_del "
        "klist_iter_exit klist_next klist_node_attached klist_prev klist_put klist_release "
        "klist_remove kref_get kref_init kref_put kref_sub put_unaligned_le32 set_bit siphash "
        "test_and_clear_bit test_and_set_bit test_bit variable_test_bit",
        r"_*(?:arch_|raw_|generic_|native_)*atomic(?:64|_long)?_ "
        r"_*(?:arch_|raw_)*(?:test_|set_|clear_|change_)(?:and_)?(?:set_|clear_|change_)?bit(?:_|$) "  # noqa: E501
        r"_*h?list_(?:add|del|empty|move|splice|replace|nulls|bl|lru|entry|for) _*hlist_ __rb_ "
        r"rb_ _*refcount_ crc\d+ crc_ _*crc32 __crc find_(?:next|first|last)_ "
        r"_find_(?:next|first) _*(?:lib_)?xxh(?:32|64) lockless_ put_unaligned get_unaligned "
        r"_*bit_spin_ kref_ this_cpu_ raw_cpu_ rhashtable_ __rhashtable rht_",
    ),
    family(
        "memory and string functions",
        "copy, compare or access what their caller names: lib/string.c, arch/*/lib, user "
        "copies, io accessors",
        "__bzero __flush_dcache_icache __flush_icache_range __memcpy_mcsafe "
        "__read_once_word_nocheck _inline_copy_from_user _inline_copy_to_user access_ok "
        "arch_memcpy_to_pmem bcmp both_aligned bzero check_zeroed_user clear_gigantic_page "
        "clear_highpage clear_huge_page clear_page clear_subpage clear_user "
        "clear_user_highpage copy_from_iter copy_from_kernel_nofault copy_from_user "
        "copy_highpage copy_in_user copy_mc_to_kernel copy_page copy_to_iter "
        "copy_to_kernel_nofault copy_to_user copy_user_highpage copyin copyout copyout_mc "
        "csum_and_copy_from_iter csum_and_copy_to_iter csum_partial_copy_from_user "
        "do_strncpy_from_user do_strnlen_user eeh_check_failure eeh_dev_check_failure "
        "flush_dcache_page flush_icache_range get_user hash_and_copy_to_iter inb inl inw "
        "load_unaligned_zeropad logic_inb logic_outb memchr memchr_inv memcmp memcpy "
        "memcpy_erms memcpy_fromio memcpy_mcsafe memcpy_orig memcpy_toio memmove memscan "
        "memset memset_erms memset_io memset_orig memzero memzero_explicit mmiocpy mmioset "
        "outb outl outw probe_kernel_read probe_kernel_write put_user raw_copy_from_user "
        "raw_copy_to_user read_word_at_a_time readb readl readq readw sg_copy_buffer "
        "sized_strscpy skip_spaces strcasecmp strcat strchr strcmp strcpy strcspn strim "
        "strlcat strlcpy strlen strlen_user strncasecmp strncat strncmp strncpy "
        "strncpy_from_user strnlen strnlen_user strnstr strpbrk strrchr strscpy strsep strspn "
        "strstr user_access_begin writeb writel writeq writew",
        r"_*mem(?:cpy|set|move|cmp|chr|scan|32|64)(?:_|16|32|64|$) "
        r"__(?:pi_)?mem(?:cpy|set|move) _*copy_(?:from|to|in)_(?:user|iter|kernel) "
        r"\w{1,40}_copy_(?:to|from)_user$ _*copy_user_ "
        r"_*(?:arch_)?(?:clear|copy)_(?:page|user) _*(?:get|put)_user rep_(?:movs|stos) "
        r"_*copy_page_(?:to|from)_iter _*(?:arch|raw)_copy_ __arch_(?:copy|clear)_ __asm_copy_ "
        r"fallback_scalar_usercopy _*raw_(?:read|write)[bwlqs] _*(?:ioread|iowrite)\d+ "
        r"_*pci_(?:read|write|bus_read|bus_write|user_read)_config simple_copy "
        r"_*str(?:n?cpy|n?cmp|n?len|scpy|lcpy|n?cat) strncpy_from_ "
        r"copy_(?:page|pages|folio)_(?:to|from) __arch_(?:mem|raw) csum_partial "
        r"blast_[di]cache r4k_blast r4k_(?:flush|cache) __?flush_[di]cache "
        r"\w{0,12}_flush_[di]cache",
    ),
    family(
        "inodes and dentries",
        "drop a reference that their caller held: fs/inode.c, fs/dcache.c",
        "__dput __iget d_put dentry_iput dput dput_to_list fast_dput finish_dput igrab ihold "
        "iput iput_final lockref_put lockref_put_return retain_dentry",
        r"inode_sb_list_",
    ),
    family(
        "ciphers",
        "work on the data of their caller: crypto, lib/crypto",
        "aes_decrypt aes_encrypt aesti_decrypt aesti_encrypt md5_transform sha1_transform "
        "sha256_transform sha512_transform",
        r"_*crypto_(?:skcipher|lskcipher|ecb|cbc|ctr|shash|ahash|aead|cipher|xts|cts) "
        r"[a-z0-9]{2,12}_(?:en|de)crypt$ _*(?:xts|cbc|ecb|ctr|gcm|ccm|lrw)_(?:en|de|crypt|xor) "
        r"_*(?:aes|aesni|chacha|poly1305|sha\d+|md5|blake2|sm4|des)_",
    ),
)
