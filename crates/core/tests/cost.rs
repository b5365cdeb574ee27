//! What a plain pooled call costs: no allocation. Its time and instructions, with ten keys and with
//! a million, are for `cargo xtask bench --only pool`.
#![allow(clippy::unwrap_used, missing_docs, unsafe_code)]

mod table;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use potluck_core::{Call, Outcome, Pool, Step};
use table::*;

/// Counts what the present thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `alloc` above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_plain_call_allocates_nothing() {
    let mut table = Table::of(100);
    assert_eq!(allocations(&mut table), 0);
}

#[test]
fn nor_does_one_in_a_pool_that_knows_its_limits() {
    let mut table = Table::of(100);
    let minute = quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "1000000", None);
    let day = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "1000000", None);
    for told in [day, minute] {
        for number in 0..100 {
            let own = Call { own_requested: true, ..Call::plain(id(number), MODEL) };
            table.ask(own, |_| Some(told.clone()));
        }
        table.run_until(table.now.mono + seconds(24 * 3600));
        (0..100).for_each(|number| drop(table.call(number, |_| None)));
    }
    assert_eq!(allocations(&mut table), 0);
}

/// Allocations of a thousand calls, once every key has served.
fn allocations(table: &mut Table) -> u64 {
    (0..200).for_each(|_| plain_call(&mut table.pool, table.now));
    let before = ALLOCATIONS.get();
    (0..1000).for_each(|_| plain_call(&mut table.pool, table.now));
    ALLOCATIONS.get() - before
}

fn plain_call(pool: &mut Pool<u32>, now: potluck_core::Now) {
    let call = Call { conversation: Some(77), prompt_tokens: 9, ..Call::plain(id(3), MODEL) };
    let mut x = pool.begin(call, now);
    assert!(matches!(pool.next(&mut x, now), Step::Try(_)));
    pool.report(&mut x, Outcome::Served, now);
    let tokens = 20;
    pool.finish(
        x,
        potluck_core::End { tokens, prompt_tokens: 10, ending: potluck_core::Ending::Whole },
        now,
    );
}
