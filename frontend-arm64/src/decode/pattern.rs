//! Decode rows: the `rows!` macro turns one aligned line per encoding into a typed instruction enum, a table of
//! (mask, value, metadata) and the field extraction, all from the same 32-character pattern.
//!
//! A pattern is 32 characters, most significant bit first; spaces are ignored. `0` and `1` are fixed bits, a letter is a bit of
//! the field of that letter (its bits must be contiguous), `x` is a bit that the encoding ignores ("should be" bits).

/// One row: what the look-up needs, and metadata for coverage tests, the fuzz generator and documentation.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Class the row belongs to (the variant of [`super::Insn`]).
    pub class: &'static str,
    /// Variant name.
    pub name: &'static str,
    /// The pattern as written.
    pub pattern: &'static str,
    /// Fixed bits.
    pub mask: u32,
    /// Value of the fixed bits.
    pub value: u32,
    /// Feature that must be advertised.
    pub feat: crate::arch::features::Feat,
    /// Extra condition on the word (reserved combinations): true when the row applies.
    pub applies: Option<fn(u32) -> bool>,
    /// CONSTRAINED UNPREDICTABLE combinations that we refuse rather than execute.
    pub unpredictable: Option<fn(u32) -> bool>,
    /// Extracts the fields of a word that the row matches.
    pub extract: fn(u32) -> super::Insn,
}

/// Fixed bits of a pattern.
pub const fn mask(p: &str) -> u32 {
    scan(p, b'0', b'1').0
}

/// Value of the fixed bits.
pub const fn value(p: &str) -> u32 {
    scan(p, b'0', b'1').1
}

const fn scan(p: &str, zero: u8, one: u8) -> (u32, u32) {
    let b = p.as_bytes();
    let (mut i, mut n, mut mask, mut value) = (0, 0, 0u32, 0u32);
    while i < b.len() {
        if b[i] != b' ' {
            mask <<= 1;
            value <<= 1;
            if b[i] == zero || b[i] == one {
                mask |= 1;
            }
            if b[i] == one {
                value |= 1;
            }
            n += 1;
        }
        i += 1;
    }
    assert!(n == 32, "a decode pattern has 32 bits");
    (mask, value)
}

/// (shift, width) of a lettered field.
pub const fn field(p: &str, letter: &str) -> (u32, u32) {
    let l = letter.as_bytes()[0];
    let b = p.as_bytes();
    let (mut i, mut pos, mut lo, mut width) = (0, 32u32, 32u32, 0u32);
    let mut ended = false;
    while i < b.len() {
        if b[i] != b' ' {
            pos -= 1;
            if b[i] == l {
                assert!(!ended, "a field's bits must be contiguous");
                lo = pos;
                width += 1;
            } else if width > 0 {
                ended = true;
            }
        }
        i += 1;
    }
    assert!(width > 0, "field letter not in pattern");
    (lo, width)
}

/// Defines one class of instructions. Each row:
/// `Variant "pattern" { field: letter, ... } FEAT [if predicate] [, unpredictable predicate];` where a predicate is a
/// `fn(u32) -> bool` or closure on the word: `if` says when the row applies (reserved combinations are no match),
/// `unpredictable` which matches are refused as such. Every field becomes a `u32` of the variant. Rows are tried in
/// order; put the more specific first. The class must be listed in `classes!` of [`crate::decode`].
#[macro_export]
macro_rules! rows {
    ($(#[$doc:meta])* $class:ident { $( $(#[$vdoc:meta])* $name:ident $pat:literal { $($f:ident : $l:ident),* $(,)? } $feat:ident
        $(if $pred:expr)? $(, unpredictable $unp:expr)? ; )* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[allow(missing_docs, reason = "names of the manual's encodings and fields")]
        pub enum $class { $( $(#[$vdoc])* $name { $($f: u32),* }, )* }

        impl $class {
            /// The rows of this class, in matching order.
            pub const ROWS: &'static [$crate::decode::pattern::Row] = {
                // A static, so that a row has one address: tests compare rows by it.
                static ROWS: [$crate::decode::pattern::Row; [$(stringify!($name)),*].len()] = [$(
                $crate::decode::pattern::Row {
                    class: stringify!($class),
                    name: stringify!($name),
                    pattern: $pat,
                    mask: $crate::decode::pattern::mask($pat),
                    value: $crate::decode::pattern::value($pat),
                    feat: $crate::arch::features::Feat::$feat,
                    applies: $crate::rows!(@pred $($pred)?),
                    unpredictable: $crate::rows!(@pred $($unp)?),
                    extract: {
                        fn extract(w: u32) -> $crate::decode::Insn {
                            let _ = w;
                            $crate::decode::Insn::$class($class::$name { $( $f: {
                                const F: (u32, u32) = $crate::decode::pattern::field($pat, stringify!($l));
                                w >> F.0 & ((1u64 << F.1) - 1) as u32
                            }, )* })
                        }
                        extract
                    },
                },
                )*];
                &ROWS
            };

            /// Name of the row.
            pub fn name(&self) -> &'static str {
                match self { $( $class::$name { .. } => stringify!($name), )* }
            }
        }
    };
    (@pred) => { None };
    (@pred $pred:expr) => { Some($pred) };
}
