//! Memory for many small pieces that die young, on the thread that made them.
//!
//! Why not the allocator's own binding: it asks for every piece with an alignment, which mimalloc
//! serves by giving more than was asked and finding a place within, unless the size is a power of
//! two. Nearly nothing here needs more than mimalloc gives unasked.

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc,
    mi_zalloc_aligned,
};

/// What mimalloc promises of any block that is at least as large (`MI_MAX_ALIGN_SIZE`).
const UNASKED: usize = 16;

/// mimalloc.
pub struct Mimalloc;

/// Whether a plain block will do. mimalloc's blocks are multiples of 16 bytes, aligned to 16, but
/// for those of up to 8 bytes, which are aligned to 8: never less than the piece's own size asks
/// for where its alignment is no larger than its size.
fn is_plain(layout: Layout) -> bool {
    layout.align() <= UNASKED && layout.align() <= layout.size()
}

// SAFETY: mimalloc gives blocks that overlap no other, of at least the size asked for, or null;
// `is_plain` and the aligned calls see to the alignment; `mi_free` and the two ways to change a
// block's size take any block of mimalloc's; and none of these functions unwinds.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Mimalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout has a size above zero.
        unsafe {
            match is_plain(layout) {
                true => mi_malloc(layout.size()).cast(),
                false => mi_malloc_aligned(layout.size(), layout.align()).cast(),
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout has a size above zero.
        unsafe {
            match is_plain(layout) {
                true => mi_zalloc(layout.size()).cast(),
                false => mi_zalloc_aligned(layout.size(), layout.align()).cast(),
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller had the block from here.
        unsafe { mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller had the block from here, and the new size is above zero. A plain
        // block that shrinks below its alignment is asked for with it.
        unsafe {
            match is_plain(layout) && layout.align() <= size {
                true => mi_realloc(block.cast(), size).cast(),
                false => mi_realloc_aligned(block.cast(), size, layout.align()).cast(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(unsafe_code)]
    fn every_block_is_aligned_as_it_was_asked_for() {
        for align in [1, 2, 4, 8, 16, 32, 64, 4096] {
            for size in (1..300).chain([1000, 8192, 8200, 70_000, 3 << 20]) {
                let Ok(layout) = Layout::from_size_align(size, align) else { continue };
                // SAFETY: the size is above zero, and each block is given back as it was had.
                unsafe {
                    let block = Mimalloc.alloc(layout);
                    assert_eq!(block.addr() % align, 0, "{layout:?}");
                    let grown = Mimalloc.realloc(block, layout, size + 7);
                    assert_eq!(grown.addr() % align, 0, "{layout:?}, grown");
                    let small = Layout::from_size_align(1, align).unwrap_or(layout);
                    let larger = Layout::from_size_align(size + 7, align).unwrap_or(layout);
                    let shrunk = Mimalloc.realloc(grown, larger, 1);
                    assert_eq!(shrunk.addr() % align, 0, "{layout:?}, shrunk");
                    Mimalloc.dealloc(shrunk, small);
                    let zeroed = Mimalloc.alloc_zeroed(layout);
                    assert_eq!(zeroed.addr() % align, 0, "{layout:?}, zeroed");
                    assert_eq!(*zeroed.add(size - 1), 0);
                    Mimalloc.dealloc(zeroed, layout);
                }
            }
        }
    }
}
