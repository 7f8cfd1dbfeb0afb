//! Guest-state slots: the registers of whatever guest the front end describes, by name, type and offset.
//!
//! The front end owns one static [`SlotTable`]; every other part sees only slot numbers, types and byte offsets into
//! the guest-state structure.

use crate::types::Type;

/// Index of a guest-state slot in the unit's [`SlotTable`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Slot(pub u16);

/// One row of the slot table.
#[derive(Clone, Copy, Debug)]
pub struct SlotInfo {
    /// Name in the text form: `x0`, `sp`, `v31`, `nzcv`, `fpcr`.
    pub name: &'static str,
    /// Type of the value. `Flags` occupies three consecutive u64: kind ([`crate::FlagsKind`]), a, b.
    pub ty: Type,
    /// Byte offset from the start of the guest state.
    pub offset: u32,
    /// Whether tier 1 may keep it in a host register across a region. If not, every read loads and every write stores.
    pub cached: bool,
}

/// The slots of one guest architecture. Rows do not overlap: a write to one slot changes no other.
#[derive(Debug)]
pub struct SlotTable {
    /// Rows; the index is the [`Slot`] number.
    pub rows: &'static [SlotInfo],
}

impl SlotTable {
    /// Row of a slot.
    pub fn get(&self, slot: Slot) -> &'static SlotInfo {
        &self.rows[slot.0 as usize]
    }

    /// Slot with this name.
    pub fn by_name(&self, name: &str) -> Option<Slot> {
        self.rows
            .iter()
            .position(|r| r.name == name)
            .map(|i| Slot(i as u16))
    }
}
