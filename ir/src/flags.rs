//! Condition flags, kept lazily.
//!
//! A flag-setting operation yields a [`crate::Type::Flags`] value that is only remembered as *(kind, a, b)*: what was
//! computed on which operands. NZCV bits are made from it when someone asks ([`nzcv`]); a condition on a known kind
//! usually needs one comparison. Guest state holds the same triple, so leaving a region costs three stores and no
//! flag arithmetic.

/// Bit 31 of the packed form.
pub const N: u32 = 1 << 31;
/// Bit 30 of the packed form.
pub const Z: u32 = 1 << 30;
/// Bit 29 of the packed form.
pub const C: u32 = 1 << 29;
/// Bit 28 of the packed form.
pub const V: u32 = 1 << 28;

/// How the triple `(kind, a, b)` encodes NZCV. 32-bit kinds look at the low halves of `a` and `b` only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u64)]
pub enum FlagsKind {
    /// `a` bits 31..28 hold N, Z, C, V (PSTATE layout); other bits of `a`, and `b`, are ignored.
    Nzcv = 0,
    /// Flags of `a - b`, 32 bits.
    Sub32 = 1,
    /// Flags of `a - b`, 64 bits.
    Sub64 = 2,
    /// Flags of `a + b`, 32 bits.
    Add32 = 3,
    /// Flags of `a + b`, 64 bits.
    Add64 = 4,
    /// N and Z of `a`, 32 bits; C = V = 0.
    Logic32 = 5,
    /// N and Z of `a`, 64 bits; C = V = 0.
    Logic64 = 6,
    /// FCMP of the singles whose bits are `a` and `b`: less N, equal ZC, greater C, unordered CV.
    Fcmp32 = 7,
    /// FCMP of the doubles whose bits are `a` and `b`.
    Fcmp64 = 8,
    /// Flags of `a + b + 1`, 32 bits: what ADCS and SBCS leave after a carry (without one, `Add32`). [`CARRY_IN`] tells them apart.
    AddC32 = 11,
    /// Flags of `a + b + 1`, 64 bits.
    AddC64 = 12,
}

impl FlagsKind {
    /// The kind with this number.
    pub const fn from_u64(k: u64) -> Option<FlagsKind> {
        Some(match k {
            0 => FlagsKind::Nzcv,
            1 => FlagsKind::Sub32,
            2 => FlagsKind::Sub64,
            3 => FlagsKind::Add32,
            4 => FlagsKind::Add64,
            5 => FlagsKind::Logic32,
            6 => FlagsKind::Logic64,
            7 => FlagsKind::Fcmp32,
            8 => FlagsKind::Fcmp64,
            11 => FlagsKind::AddC32,
            12 => FlagsKind::AddC64,
            _ => return None,
        })
    }
}

/// log2 of the difference between the numbers of `AddC64` and `Add64`, and of `AddC32` and `Add32`: a carry shifted left by this,
/// and added to the latter, is the kind.
pub const CARRY_IN: u32 = 3;

/// Flags of `x + y + carry` (AddWithCarry of the Arm ARM, shared/functions/integer), packed.
pub const fn add_with_carry(x: u64, y: u64, carry: bool, wide: bool) -> u32 {
    if wide {
        let (s, c1) = x.overflowing_add(y);
        let (s, c2) = s.overflowing_add(carry as u64);
        pack(
            (s as i64) < 0,
            s == 0,
            c1 | c2,
            ((x ^ s) & (y ^ s)) >> 63 != 0,
        )
    } else {
        let (x, y) = (x as u32, y as u32);
        let s = x as u64 + y as u64 + carry as u64;
        let r = s as u32;
        pack(
            (r as i32) < 0,
            r == 0,
            s >> 32 != 0,
            ((x ^ r) & (y ^ r)) >> 31 != 0,
        )
    }
}

/// Packs four truth values into bits 31..28.
pub const fn pack(n: bool, z: bool, c: bool, v: bool) -> u32 {
    (n as u32) << 31 | (z as u32) << 30 | (c as u32) << 29 | (v as u32) << 28
}

/// Packed NZCV (bits 31..28, other bits zero) of a lazy triple.
pub fn nzcv(kind: FlagsKind, a: u64, b: u64) -> u32 {
    match kind {
        FlagsKind::Nzcv => a as u32 & 0xf000_0000,
        FlagsKind::Sub32 => add_with_carry(a, !b, true, false),
        FlagsKind::Sub64 => add_with_carry(a, !b, true, true),
        FlagsKind::Add32 => add_with_carry(a, b, false, false),
        FlagsKind::Add64 => add_with_carry(a, b, false, true),
        FlagsKind::AddC32 => add_with_carry(a, b, true, false),
        FlagsKind::AddC64 => add_with_carry(a, b, true, true),
        FlagsKind::Logic32 => pack((a as i32) < 0, a as u32 == 0, false, false),
        FlagsKind::Logic64 => pack((a as i64) < 0, a == 0, false, false),
        FlagsKind::Fcmp32 => fcmp(f32::from_bits(a as u32).partial_cmp(&f32::from_bits(b as u32))),
        FlagsKind::Fcmp64 => fcmp(f64::from_bits(a).partial_cmp(&f64::from_bits(b))),
    }
}

fn fcmp(o: Option<std::cmp::Ordering>) -> u32 {
    use std::cmp::Ordering::*;
    match o {
        Some(Less) => N,
        Some(Equal) => Z | C,
        Some(Greater) => C,
        None => C | V,
    }
}

/// An AArch64 condition code, by its encoding (Arm ARM C1.2.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "the manual's names")]
pub enum Cond {
    Eq = 0,
    Ne,
    Cs,
    Cc,
    Mi,
    Pl,
    Vs,
    Vc,
    Hi,
    Ls,
    Ge,
    Lt,
    Gt,
    Le,
    Al,
    Nv,
}

impl Cond {
    /// All conditions in encoding order.
    pub const ALL: [Cond; 16] = [
        Cond::Eq,
        Cond::Ne,
        Cond::Cs,
        Cond::Cc,
        Cond::Mi,
        Cond::Pl,
        Cond::Vs,
        Cond::Vc,
        Cond::Hi,
        Cond::Ls,
        Cond::Ge,
        Cond::Lt,
        Cond::Gt,
        Cond::Le,
        Cond::Al,
        Cond::Nv,
    ];

    /// The condition with this encoding (low 4 bits).
    pub const fn from_bits(bits: u32) -> Cond {
        Cond::ALL[(bits & 15) as usize]
    }

    /// Manual name in lower case.
    pub const fn name(self) -> &'static str {
        [
            "eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le",
            "al", "nv",
        ][self as usize]
    }

    /// The opposite condition; `Al` and `Nv` both mean "always" and have none, so they return themselves.
    pub const fn invert(self) -> Cond {
        if (self as u8) >= 14 {
            self
        } else {
            Cond::ALL[(self as u8 ^ 1) as usize]
        }
    }

    /// ConditionHolds (shared/functions/system) on packed flags.
    pub const fn holds(self, nzcv: u32) -> bool {
        let (n, z, c, v) = (nzcv & N != 0, nzcv & Z != 0, nzcv & C != 0, nzcv & V != 0);
        match self {
            Cond::Eq => z,
            Cond::Ne => !z,
            Cond::Cs => c,
            Cond::Cc => !c,
            Cond::Mi => n,
            Cond::Pl => !n,
            Cond::Vs => v,
            Cond::Vc => !v,
            Cond::Hi => c && !z,
            Cond::Ls => !c || z,
            Cond::Ge => n == v,
            Cond::Lt => n != v,
            Cond::Gt => n == v && !z,
            Cond::Le => n != v || z,
            Cond::Al | Cond::Nv => true,
        }
    }
}
