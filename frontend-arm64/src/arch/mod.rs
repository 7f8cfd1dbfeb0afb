//! The guest architecture's state and models.

pub mod features;
pub mod pauth;
pub mod state;
pub mod sysreg;
