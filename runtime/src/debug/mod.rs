//! Windows into translations for people and tools: Linux perf, listings.

pub mod explain;
pub mod jitdump;
pub mod perf_map;
pub mod refused;
