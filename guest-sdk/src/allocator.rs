//! Memory for a component that lives for one call.
//!
//! Blocks come from the end of the stack's page onwards, in sizes that are powers of two; a freed block waits on
//! the list of its size. Nothing is ever given back: the instance ends soon, and its memory with it. Growing the
//! last block happens in place, which is what growing strings and vectors mostly do.
use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ptr::null_mut,
};

struct Arena(UnsafeCell<State>);

struct State {
    next: usize,
    end: usize,
    /// Freed blocks of 2^n bytes; the first word of each points to the next.
    free: [usize; CLASSES],
}

// SAFETY: a component has one thread.
unsafe impl Sync for Arena {}

#[global_allocator]
static ARENA: Arena = Arena(UnsafeCell::new(State { next: 0, end: 0, free: [0; CLASSES] }));

unsafe extern "C" {
    static __heap_base: u8;
}

// SAFETY: blocks do not overlap: they come from `next`, which only rises above what it handed out, or from a
// list of blocks that were handed back. A block has at least the size and alignment asked for.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: there is one thread, and no reference outlives this call.
        let state = unsafe { &mut *self.0.get() };
        let Some(class) = class(layout) else { return null_mut() };
        let free = state.free[class];
        if free != 0 {
            // SAFETY: a block on the list holds the address of the next one in its first word.
            state.free[class] = unsafe { *(free as *const usize) };
            return free as *mut u8;
        }
        state.take(size(class, layout), layout.align())
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`.
        let state = unsafe { &mut *self.0.get() };
        let Some(class) = class(layout) else { return };
        if class >= LARGE {
            // Large blocks have the size that was asked for, and fit no list.
            if block as usize + size(class, layout) == state.next {
                state.next = block as usize;
            }
            return;
        }
        // SAFETY: the block is free, and at least as large as a word.
        unsafe { *block.cast::<usize>() = state.free[class] };
        state.free[class] = block as usize;
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, wanted: usize) -> *mut u8 {
        let Ok(new) = Layout::from_size_align(wanted, layout.align()) else { return null_mut() };
        let (Some(before), Some(after)) = (class(layout), class(new)) else { return null_mut() };
        let (old_size, new_size) = (size(before, layout), size(after, new));
        if new_size <= old_size && before < LARGE && after == before {
            return block;
        }
        // SAFETY: as in `alloc`.
        let state = unsafe { &mut *self.0.get() };
        if block as usize + old_size == state.next
            && new_size > old_size
            && state.reach(block as usize + new_size)
        {
            state.next = block as usize + new_size;
            return block;
        }
        // SAFETY: the old block has `layout`, the new one at least as many bytes as are copied.
        unsafe {
            let moved = self.alloc(new);
            if !moved.is_null() {
                core::ptr::copy_nonoverlapping(block, moved, layout.size().min(wanted));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

impl State {
    fn take(&mut self, size: usize, align: usize) -> *mut u8 {
        if self.end == 0 {
            self.next = (&raw const __heap_base) as usize;
            self.end = core::arch::wasm32::memory_size(0) * PAGE;
        }
        let Some(start) = self.next.checked_next_multiple_of(align.max(MIN)) else {
            return null_mut();
        };
        let Some(end) = start.checked_add(size) else { return null_mut() };
        if !self.reach(end) {
            return null_mut();
        }
        self.next = end;
        start as *mut u8
    }

    /// Makes memory up to `end`.
    fn reach(&mut self, end: usize) -> bool {
        if end <= self.end {
            return true;
        }
        let pages = (end - self.end).div_ceil(PAGE);
        if core::arch::wasm32::memory_grow(0, pages) == usize::MAX {
            return false;
        }
        self.end += pages * PAGE;
        true
    }
}

/// The power of two that a block belongs to.
fn class(layout: Layout) -> Option<usize> {
    let size = layout.size().max(layout.align()).max(MIN);
    let class = size.checked_next_power_of_two()?.trailing_zeros() as usize;
    (class < CLASSES).then_some(class)
}

/// What a block takes. Large ones are not rounded up to a power of two: that could be half of all memory.
fn size(class: usize, layout: Layout) -> usize {
    if class < LARGE { 1 << class } else { layout.size().next_multiple_of(MIN) }
}

const PAGE: usize = 65_536;
/// The smallest block, in bytes; also the least alignment.
const MIN: usize = 16;
/// Blocks of 2^18 bytes and more.
const LARGE: usize = 18;
const CLASSES: usize = 31;
