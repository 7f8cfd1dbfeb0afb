//! Translations: where they are, how they are found, linked and dropped.

pub mod block;
pub mod code_memory;
pub mod counter;
pub mod image;
pub mod tables;
pub mod unit;

/// If host address `pc` is an access to guest memory in translated code: where to resume, and the guest pc of the instruction.
/// Async-signal-safe.
pub fn landing(pc: u64) -> Option<(u64, u64)> {
    let Some(u) = code_memory::unit_at(pc) else {
        return image::mapped::landing(pc);
    };
    let site = u.fault_site(pc)?;
    Some((u.exec + site.landing_offset as u64, site.guest_pc))
}
