//! The host: Cranelift's target for the CPU we run on, with the settings that translated code relies on.
//!
//! Settings decided by measurement (see the engine's design notes): `speed` and the backtracking allocator, no verifier in
//! release builds, frame pointers kept because `return_call` needs them.

use crate::emit::{CompileError, HostModel};
use cranelift_codegen::isa::{self, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};

/// What lowering asks about the host before it chooses an instruction sequence.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostCaps {
    /// Fused multiply-add.
    pub fma: bool,
    /// PSHUFB.
    pub ssse3: bool,
    /// ROUNDSD and friends.
    pub sse41: bool,
}

/// What x86-64-v3 has, by Cranelift's names.
const V3_FEATURES: [&str; 12] = [
    "has_sse3",
    "has_ssse3",
    "has_cmpxchg16b",
    "has_sse41",
    "has_sse42",
    "has_avx",
    "has_avx2",
    "has_fma",
    "has_popcnt",
    "has_bmi1",
    "has_bmi2",
    "has_lzcnt",
];

/// Builds the target. `verify` turns the CLIF verifier on.
pub fn isa(model: HostModel, verify: bool) -> Result<OwnedTargetIsa, CompileError> {
    let host = |e: &dyn std::fmt::Display| CompileError::Host(e.to_string());
    let mut flags = settings::builder();
    for (name, value) in [
        ("opt_level", "speed"),
        ("regalloc_algorithm", "backtracking"),
        ("preserve_frame_pointers", "true"),
        ("enable_pinned_reg", "true"),
        ("unwind_info", "false"),
        ("enable_probestack", "false"),
        ("enable_alias_analysis", "true"),
        ("is_pic", "false"),
        ("enable_verifier", if verify { "true" } else { "false" }),
    ] {
        flags.set(name, value).map_err(|e| host(&e))?;
    }
    let builder = match model {
        HostModel::Native => cranelift_native::builder().map_err(|e| host(&e))?,
        HostModel::V3 => {
            let mut b = isa::lookup_by_name("x86_64").map_err(|e| host(&e))?;
            for feature in V3_FEATURES {
                b.enable(feature).map_err(|e| host(&e))?;
            }
            b
        }
    };
    builder
        .finish(settings::Flags::new(flags))
        .map_err(|e| host(&e))
}

/// Reads the capabilities back from the target.
pub fn caps(isa: &OwnedTargetIsa) -> HostCaps {
    let mut c = HostCaps::default();
    for v in isa.isa_flags() {
        let on = v.as_bool().unwrap_or(false);
        match v.name {
            "has_fma" => c.fma = on,
            "has_ssse3" => c.ssse3 = on,
            "has_sse41" => c.sse41 = on,
            _ => {}
        }
    }
    c
}

/// What of the host code may depend on: a bit for each feature that it has. Both compilers choose by these.
pub fn features() -> u32 {
    macro_rules! bits {
        ($($name:tt)*) => {
            [$(std::is_x86_feature_detected!($name)),*]
        };
    }
    let bits = bits!["sse3" "ssse3" "sse4.1" "sse4.2" "popcnt" "lzcnt" "bmi1" "bmi2" "cmpxchg16b" "avx" "avx2" "fma" "f16c" "aes" "pclmulqdq"
        "sha" "avx512f" "avx512dq" "avx512vl" "avx512bitalg" "avx512vbmi" "gfni"];
    bits.iter()
        .enumerate()
        .map(|(i, b)| u32::from(*b) << i)
        .sum()
}
