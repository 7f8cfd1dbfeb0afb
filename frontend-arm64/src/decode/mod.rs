//! Decoding: one aligned row per encoding (see the class files), compiled into a two-level look-up.
//!
//! Three kinds of refusal are kept apart: unallocated (or not advertised), not implemented, unpredictable. The rows are THE
//! list of encodings: decoder, fuzz generator and coverage tests all read [`CLASSES`].

pub mod dp_imm;
pub mod imm;
mod lookup;
pub mod pattern;

pub use dp_imm::DpImm;

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
        if w & c.mask == c.value && feats.has(c.row.feat) && (c.row.applies)(w) {
            if !FeatSet::IMPLEMENTED.has(c.row.feat) {
                return Err(Undecoded::Unimplemented(c.row.name));
            }
            if (c.row.unpredictable)(w) {
                return Err(Undecoded::Unpredictable);
            }
            return Ok(c.row);
        }
    }
    Err(Undecoded::Unallocated)
}
