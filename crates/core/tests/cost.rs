//! What a plain pooled call costs: no allocation, and the same with a million keys.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, unsafe_code)]

mod table;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    time::Instant,
};

use potluck_core::{Call, Config, Outcome, Pool, Step};
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
    (0..200).for_each(|_| plain_call(&mut table.pool, table.now));
    let before = ALLOCATIONS.get();
    (0..1000).for_each(|_| plain_call(&mut table.pool, table.now));
    assert_eq!(ALLOCATIONS.get() - before, 0);
}

/// Prints; run with `--release --ignored --nocapture` to read it.
#[test]
#[ignore = "a measurement"]
fn time_of_a_plain_call() {
    for keys in [10, 10_000, 1_000_000] {
        let mut table = Table::of(0);
        table.pool = Pool::new(Config::default(), 1);
        (0..keys).for_each(|number| table.join(number));
        (0..100_000).for_each(|_| plain_call(&mut table.pool, table.now));
        let began = Instant::now();
        let calls = 1_000_000;
        (0..calls).for_each(|_| plain_call(&mut table.pool, table.now));
        println!("{keys} keys: {} ns a call", began.elapsed().as_nanos() / calls);
    }
}

fn plain_call(pool: &mut Pool<u32>, now: potluck_core::Now) {
    let call = Call { conversation: Some(77), ..Call::plain(id(3), MODEL) };
    let mut x = pool.begin(call, now);
    assert!(matches!(pool.next(&mut x, now), Step::Try(_)));
    pool.report(&mut x, Outcome::Served, now);
    let tokens = 10;
    pool.finish(
        x,
        potluck_core::End { tokens, prompt_tokens: 0, ending: potluck_core::Ending::Whole },
        now,
    );
}
