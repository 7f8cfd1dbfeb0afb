//! The engine: what all CPUs of one address space share (translations, code memory, compile threads), and `run`.

use crate::env::{Environment, Flow};
use crate::vcpu::Vcpu;
use metaphrase_arm64::arch::features::FeatSet;

/// How tier 1 is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JitMode {
    /// Tier 0 alone.
    Off,
    /// Compile on the guest's thread, at once when the threshold is reached (tests, measurement).
    Sync,
    /// Compile on background threads; a CPU never waits.
    Background,
}

/// Settings fixed for the life of an engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Tier-1 mode.
    pub jit: JitMode,
    /// Executions of a block before it is considered hot.
    pub threshold: u32,
    /// Background compile threads.
    pub threads: u32,
    /// Bytes of code memory.
    pub cache_size: usize,
    /// Features that the guest CPU advertises.
    pub feats: FeatSet,
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            jit: JitMode::Background,
            threshold: 60,
            threads: 1,
            cache_size: 256 << 20,
            feats: FeatSet::V8_0,
        }
    }
}

/// Shared by all CPUs of one address space.
#[derive(Debug)]
pub struct Engine {
    /// Settings.
    pub config: EngineConfig,
}

impl Engine {
    /// A fresh engine.
    pub fn new(config: EngineConfig) -> std::io::Result<Engine> {
        Ok(Engine { config })
    }

    /// Runs a CPU until its environment says to leave; returns that code.
    pub fn run(&self, cpu: &mut Vcpu, env: &mut dyn Environment) -> i32 {
        loop {
            match env.interrupted(cpu) {
                Flow::Continue => {}
                Flow::Leave(code) => return code,
            }
        }
    }

    /// Guest code in `[start, end)` may have changed or gone: drops its translations. Returns when no CPU can start
    /// executing an old one any more (the caller's own CPU included, once it returns to `run`).
    pub fn invalidate(&self, _start: u64, _end: u64) {}

    /// Call before `fork`: brings compile threads and locks into a state that a child can live with.
    pub fn before_fork(&self) {}

    /// Call in the parent after `fork`.
    pub fn after_fork_parent(&self) {}

    /// Call in the child after `fork`, on its only thread: gives it code memory of its own.
    pub fn after_fork_child(&self) {}
}
