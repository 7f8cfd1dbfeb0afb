//! Payloads of `TrapKind::Sync`: why translated code hands over between two instructions.

/// FPCR was written: the translation key changed.
pub const FPCR: u16 = 1;
/// IC IVAU: translations of the named line are stale (the address went to the `IcIvau` helper).
pub const IC_IVAU: u16 = 2;
/// ISB: code that another CPU has changed before now must be seen from here on (context synchronization, Arm ARM B2.2.5). Going on in the same
/// translation, or one that this one has been linked to, is not enough: it may contain a copy of that code.
pub const ISB: u16 = 3;
