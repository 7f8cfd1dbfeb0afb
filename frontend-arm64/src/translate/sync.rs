//! Payloads of `TrapKind::Sync`: why translated code hands over between two instructions.

/// FPCR was written: the translation key changed.
pub const FPCR: u16 = 1;
/// IC IVAU: translations of the named line are stale (the address went to the `IcIvau` helper).
pub const IC_IVAU: u16 = 2;
