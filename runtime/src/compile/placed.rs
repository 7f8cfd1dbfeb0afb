//! What is between placing code and publishing it: a unit that has its place in code memory and that nobody can find yet.
//!
//! Meanwhile another thread may fill the memory up and evict. It looks for units in the tables, where this one is not: so the segment is
//! *pinned* until the unit is in the tables or given up. Must not know what a unit is for.

use crate::cache::code_memory::CodeMemory;
use crate::cache::unit::Unit1;
use crate::sync::Mutex;
use metaphrase_backend::arena;

/// A segment of code memory in which somebody has a place but no unit yet.
pub(super) struct Pinned<'a> {
    memory: &'a Mutex<Option<CodeMemory>>,
    segment: usize,
}

impl<'a> Pinned<'a> {
    /// For a place that has just been given out in this segment.
    pub(super) fn new(memory: &'a Mutex<Option<CodeMemory>>, segment: usize) -> Pinned<'a> {
        Pinned { memory, segment }
    }
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        if let Some(m) = self.memory.lock().as_mut() {
            m.settle(self.segment);
        }
    }
}

/// A unit in its place and in no table.
pub(super) struct Installed<'a> {
    /// The unit.
    pub(super) unit: arena::Box<Unit1>,
    /// Goes when the unit is in the tables.
    #[expect(dead_code, reason = "held for its end")]
    pub(super) pinned: Pinned<'a>,
}
