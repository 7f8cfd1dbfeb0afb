//! Integer vector kinds: the meaning of the rows of [`crate::ops_vector`] without a floating-point environment.
//!
//! Lanes are read as mathematical integers (`i128`), computed on, and stored modulo the lane size or saturated; the
//! compiler narrows that to machine integers because every loop is compiled for one lane type. Two styles:
//! * lane-wise kinds go through [`Lane::zip`] ([`signed`], [`unsigned`] and their saturating twins);
//! * kinds that change lane size or order go through [`build`] and [`elem`].
//!
//! Invariants: lanes beyond the shape neither reach the result nor set QC; no input panics ([`Shape::Q1`] and shapes that a
//! kind does not have give some value).

pub mod bin;
pub mod permute;
pub mod red;
pub mod shift;
pub mod tern;
pub mod un;

use crate::arith::{Bits, FpEnv};
use crate::inst::Shape;

/// FPSR.QC: an integer operation saturated (Arm ARM C5.2.9).
pub const QC: u32 = 1 << 27;

/// All ones in the bits a shape covers.
#[inline]
pub(crate) const fn shape_mask(shape: Shape) -> u128 {
    u128::MAX >> (128 - shape.bits())
}

/// Whether lanes are read as signed numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sign {
    Signed,
    Unsigned,
}
pub(crate) use Sign::{Signed, Unsigned};

impl Sign {
    /// Smallest and largest number of `bits` (1..=64).
    #[inline]
    pub(crate) const fn range(self, bits: u32) -> (i128, i128) {
        match self {
            Signed => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
            Unsigned => (0, (1 << bits) - 1),
        }
    }

    /// The low `bits` (1..=128) of `v` as a number.
    #[inline]
    pub(crate) const fn number(self, v: u128, bits: u32) -> i128 {
        let s = 128 - bits;
        match self {
            Signed => (v << s) as i128 >> s,
            Unsigned => (v << s >> s) as i128,
        }
    }
}

/// Element `i` of `bits` (8..=128) of a vector, as a number; 0 beyond the vector.
#[inline]
pub(crate) const fn elem(v: Bits, bits: u32, i: u32, sign: Sign) -> i128 {
    let at = i * bits;
    if at < 128 {
        sign.number(v >> at, bits)
    } else {
        0
    }
}

/// A vector of `n` elements of `bits` (8..=128), element `i` being `f(i)` modulo its size.
#[inline]
pub(crate) fn build(n: u32, bits: u32, mut f: impl FnMut(u32) -> i128) -> Bits {
    let mask = u128::MAX >> (128 - bits);
    let mut v = 0;
    for i in 0..n.min(128 / bits) {
        v |= (f(i) as u128 & mask) << (i * bits);
    }
    v
}

/// The size of a lane twice as wide, in bits.
#[inline]
pub(crate) const fn wide_bits(shape: Shape) -> u32 {
    let bits = 2 * shape.lane_bits();
    if bits > 128 { 128 } else { bits }
}

/// The half of a source that a long op reads.
#[inline]
pub(crate) const fn half(v: Bits, hi: bool) -> Bits {
    if hi { v >> 64 } else { v & u64::MAX as u128 }
}

/// SatQ (Arm ARM, shared/functions/vector): the nearest number of `bits`; notes in `sat` if that is another one.
#[inline]
pub(crate) fn sat_q(x: i128, bits: u32, sign: Sign, sat: &mut bool) -> i128 {
    let (lo, hi) = sign.range(bits);
    let r = x.clamp(lo, hi);
    *sat |= r != x;
    r
}

/// Runs `f` with a saturation note and accumulates the note into FPSR.QC.
#[inline]
pub(crate) fn with_qc(env: &mut FpEnv, f: impl FnOnce(&mut bool) -> Bits) -> Bits {
    let mut sat = false;
    let r = f(&mut sat);
    if sat {
        env.fpsr |= QC;
    }
    r
}

/// A lane type.
pub(crate) trait Lane {
    /// Applies `f` to every lane of three vectors, modulo the lane size.
    fn zip(v: [Bits; 3], f: impl FnMut(i128, i128, i128) -> i128) -> Bits;
    /// Lane `i` of the result is lane `f(i)` of (hi : lo), modulo their number.
    fn pick(lo: Bits, hi: Bits, f: impl Fn(usize) -> usize) -> Bits;
}

macro_rules! lane {
    ($($t:ident)*) => { $(
        impl Lane for $t {
            #[inline(always)]
            fn zip(v: [Bits; 3], mut f: impl FnMut(i128, i128, i128) -> i128) -> Bits {
                const SIZE: usize = size_of::<$t>();
                let [a, b, c] = v.map(u128::to_le_bytes);
                let get = |x: &[u8; 16], i| $t::from_le_bytes(x.as_chunks::<SIZE>().0[i]) as i128;
                let mut r = [0; 16];
                for (i, out) in r.as_chunks_mut::<SIZE>().0.iter_mut().enumerate() {
                    *out = (f(get(&a, i), get(&b, i), get(&c, i)) as $t).to_le_bytes();
                }
                u128::from_le_bytes(r)
            }
            #[inline(always)]
            fn pick(lo: Bits, hi: Bits, f: impl Fn(usize) -> usize) -> Bits {
                const SIZE: usize = size_of::<$t>();
                let mut from = [0; 32];
                from[..16].copy_from_slice(&lo.to_le_bytes());
                from[16..].copy_from_slice(&hi.to_le_bytes());
                let mut r = [0; 16];
                for (i, out) in r.as_chunks_mut::<SIZE>().0.iter_mut().enumerate() {
                    *out = from.as_chunks::<SIZE>().0[f(i) % (32 / SIZE)];
                }
                u128::from_le_bytes(r)
            }
        }
    )* };
}
lane!(i8 i16 i32 i64 u8 u16 u32 u64);

/// `f` on the lanes of three vectors read as signed numbers.
#[inline(always)]
pub(crate) fn signed(shape: Shape, v: [Bits; 3], f: impl FnMut(i128, i128, i128) -> i128) -> Bits {
    let r = match shape.lane_log2() {
        0 => i8::zip(v, f),
        1 => i16::zip(v, f),
        2 => i32::zip(v, f),
        _ => i64::zip(v, f),
    };
    r & shape_mask(shape)
}

/// `f` on the lanes of three vectors read as unsigned numbers.
#[inline(always)]
pub(crate) fn unsigned(
    shape: Shape,
    v: [Bits; 3],
    f: impl FnMut(i128, i128, i128) -> i128,
) -> Bits {
    let r = match shape.lane_log2() {
        0 => u8::zip(v, f),
        1 => u16::zip(v, f),
        2 => u32::zip(v, f),
        _ => u64::zip(v, f),
    };
    r & shape_mask(shape)
}

/// Lanes `f(i)` of (b : a), where the lanes of `b` follow those of `a` that the shape covers.
#[inline(always)]
pub(crate) fn pick(shape: Shape, a: Bits, b: Bits, f: impl Fn(usize) -> usize) -> Bits {
    let (mask, bits) = (shape_mask(shape), shape.bits());
    let (lo, hi) = if bits < 128 {
        (a & mask | b << bits, 0)
    } else {
        (a, b)
    };
    let r = match shape.lane_log2() {
        0 => u8::pick(lo, hi, f),
        1 => u16::pick(lo, hi, f),
        2 => u32::pick(lo, hi, f),
        _ => u64::pick(lo, hi, f),
    };
    r & mask
}

/// `f` on the lanes read with `sign`, then SatQ to the lane size with `sign`.
#[inline(always)]
pub(crate) fn saturating(
    sign: Sign,
    shape: Shape,
    v: [Bits; 3],
    env: &mut FpEnv,
    mut f: impl FnMut(i128, i128, i128) -> i128,
) -> Bits {
    let bits = shape.lane_bits().min(64);
    // Zero lanes beyond the shape: no saturating op saturates on them.
    let v = v.map(|x| x & shape_mask(shape));
    with_qc(env, |sat| {
        let g = |a, b, c| sat_q(f(a, b, c), bits, sign, sat);
        match sign {
            Signed => signed(shape, v, g),
            Unsigned => unsigned(shape, v, g),
        }
    })
}

/// All ones or zero.
#[inline]
pub(crate) const fn truth(b: bool) -> i128 {
    -(b as i128)
}
