//! Decoding: one aligned row per encoding (see the class files), compiled into a two-level look-up.
//!
//! Three kinds of refusal are kept apart: unallocated (or not advertised), not implemented, unpredictable. The rows are THE
//! list of encodings: decoder, fuzz generator and coverage tests all read [`CLASSES`].

pub mod atomic;
pub mod branch;
pub mod crypto;
pub mod dp_imm;
pub mod dp_reg;
pub mod fp;
pub mod fp_conv;
pub mod imm;
pub mod load_store;
pub mod load_store_simd;
mod lookup;
pub mod pattern;
pub mod simd_diff;
pub mod simd_elem;
pub mod simd_imm;
pub mod simd_misc;
pub mod simd_perm;
pub mod simd_same;
pub mod simd_scalar;
pub mod simd_scalar_elem;
pub mod simd_scalar_misc;
pub mod simd_shift;
mod simd_size;
pub mod system;

pub use atomic::Atomic;
pub use branch::Branch;
pub use crypto::Crypto;
pub use dp_imm::DpImm;
pub use dp_reg::DpReg;
pub use fp::{Fp, FpHalf};
pub use fp_conv::{FpConv, FpConvHalf};
pub use load_store::LoadStore;
pub use load_store_simd::LoadStoreSimd;
pub use simd_diff::SimdDiff;
pub use simd_elem::{SimdElem, SimdElemFp};
pub use simd_misc::{SimdMisc, SimdMiscFp, SimdMiscHalf};
pub use simd_perm::{SimdAcross, SimdCopy, SimdImm, SimdPerm};
pub use simd_same::{SimdSame, SimdSameExtra, SimdSameFp, SimdSameHalf};
pub use simd_scalar::{ScalarSame, ScalarSameFp};
pub use simd_scalar_elem::{ScalarElem, ScalarShift};
pub use simd_scalar_misc::{ScalarMisc, ScalarMiscFp, ScalarPair};
pub use simd_shift::SimdShift;
pub use system::System;

use crate::arch::features::FeatSet;

macro_rules! classes {
    ($( $(#[$doc:meta])* $class:ident; )*) => {
        /// A decoded instruction, by manual class.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Insn { $( $(#[$doc])* $class($class), )* }

        /// Every row of every class, in matching order.
        pub static CLASSES: &[&[pattern::Row]] = &[$($class::ROWS,)*];

        impl Insn {
            /// Name of the row that matched.
            pub fn name(&self) -> &'static str {
                match self { $( Insn::$class(i) => i.name(), )* }
            }
        }
    };
}

classes! {
    /// Data processing (immediate).
    DpImm;
    /// Scalar floating point, single and double.
    Fp;
    /// Scalar floating point, half.
    FpHalf;
    /// Scalar conversions, single and double.
    FpConv;
    /// Scalar conversions, half.
    FpConvHalf;
    /// AdvSIMD three same, integer.
    SimdSame;
    /// AdvSIMD three same, single and double.
    SimdSameFp;
    /// AdvSIMD three same, half.
    SimdSameHalf;
    /// AdvSIMD three same extra.
    SimdSameExtra;
    /// AdvSIMD three different.
    SimdDiff;
    /// AdvSIMD two-register misc, integer.
    SimdMisc;
    /// AdvSIMD two-register misc, single and double.
    SimdMiscFp;
    /// AdvSIMD two-register misc, half.
    SimdMiscHalf;
    /// AdvSIMD across lanes.
    SimdAcross;
    /// AdvSIMD copy.
    SimdCopy;
    /// AdvSIMD permute, extract, table look-up.
    SimdPerm;
    /// AdvSIMD modified immediate.
    SimdImm;
    /// AdvSIMD by element, integer.
    SimdElem;
    /// AdvSIMD by element, floating point and dot products.
    SimdElemFp;
    /// AdvSIMD shift by immediate.
    SimdShift;
    /// AdvSIMD scalar three same, integer.
    ScalarSame;
    /// AdvSIMD scalar three same, floating point.
    ScalarSameFp;
    /// AdvSIMD scalar two-register misc, integer.
    ScalarMisc;
    /// AdvSIMD scalar two-register misc, floating point.
    ScalarMiscFp;
    /// AdvSIMD scalar pairwise and copy.
    ScalarPair;
    /// AdvSIMD scalar by element.
    ScalarElem;
    /// AdvSIMD scalar shift by immediate.
    ScalarShift;
    /// Cryptographic extensions.
    Crypto;
    /// Data processing (register).
    DpReg;
    /// Branches and exception generation.
    Branch;
    /// System.
    System;
    /// Loads and stores of registers.
    LoadStore;
    /// Loads and stores of vector structures.
    LoadStoreSimd;
    /// Exclusive, ordered and atomic accesses.
    Atomic;
}

/// Why a word is not an instruction for this guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Undecoded {
    /// No row matches, or only rows of features that the guest CPU does not advertise: UNDEFINED.
    Unallocated,
    /// The feature is advertised but this build does not implement the row (its name): said once, then as UNDEFINED.
    Unimplemented(&'static str),
    /// A CONSTRAINED UNPREDICTABLE combination that we refuse: acts as UNDEFINED.
    Unpredictable,
}

/// Decodes a word for a CPU that advertises `feats`.
#[inline]
pub fn decode(w: u32, feats: FeatSet) -> Result<Insn, Undecoded> {
    let row = row_of(w, feats)?;
    Ok((row.extract)(w))
}

/// The row that matches a word, for coverage and statistics.
#[inline]
pub fn row_of(w: u32, feats: FeatSet) -> Result<&'static pattern::Row, Undecoded> {
    for c in lookup::candidates(w) {
        if w & c.mask != c.value || !feats.has(c.feat) {
            continue;
        }
        let row = c.row();
        if row.applies.is_none_or(|applies| applies(w)) {
            if !FeatSet::IMPLEMENTED.has(row.feat) {
                return Err(Undecoded::Unimplemented(row.name));
            }
            if row
                .unpredictable
                .is_some_and(|unpredictable| unpredictable(w))
            {
                return Err(Undecoded::Unpredictable);
            }
            return Ok(row);
        }
    }
    Err(Undecoded::Unallocated)
}
