//! Running translated code: the CPU frame, dispatch, caches, background compilation, faults, statistics.
//!
//! The only crate that maps executable memory or enters generated code. What the code's world is (a Linux process, a
//! machine) it learns through [`env::Environment`].

pub mod cache;
pub mod compile;
pub mod debug;
pub mod engine;
pub mod env;
pub mod helpers;
pub mod interp;
pub mod mem;
pub mod signal;
pub mod stats;
pub mod sync;
pub mod vcpu;
