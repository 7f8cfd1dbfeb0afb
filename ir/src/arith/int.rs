//! Integers and condition flags: the meaning of the scalar rows of [`crate::ops`] on plain values.
//!
//! Pure functions; arguments are zero-extended to 64 bits and so are results. Shift counts are taken modulo the width,
//! also those in `imm`, so that no input panics. Arm ARM: shared/functions/{common,integer}.

use crate::flags::{self, add_with_carry};
use crate::inst::Shape;
use crate::ops::{IntCond, Op};

/// Sign-extends the low `bits` (1..=64) of `x`.
#[inline]
pub const fn sext(x: u64, bits: u32) -> u64 {
    let s = 64 - bits;
    ((x << s) as i64 >> s) as u64
}

/// A mask of the low `bits` (0..=64).
#[inline]
pub const fn low_mask(bits: u32) -> u64 {
    if bits >= 64 { !0 } else { (1 << bits) - 1 }
}

/// One row per integer op, for one width. Ops that exist for both widths only; `None` for every other op.
macro_rules! width {
    ($(#[$doc:meta])* $name:ident $u:ident $s:ident) => {
        $(#[$doc])*
        #[inline]
        fn $name(op: Op, a: $u, b: $u, imm: u64) -> Option<$u> {
            let n = imm as u32 % $u::BITS;
            let count = b as u32 % $u::BITS;
            Some(match op {
                Op::Add => a.wrapping_add(b),
                Op::Sub => a.wrapping_sub(b),
                Op::Mul => a.wrapping_mul(b),
                Op::UDiv => a.checked_div(b).unwrap_or(0),
                Op::SDiv if b == 0 => 0,
                Op::SDiv => (a as $s).wrapping_div(b as $s) as $u,
                Op::And => a & b,
                Op::Or => a | b,
                Op::Xor => a ^ b,
                Op::AndNot => a & !b,
                Op::OrNot => a | !b,
                Op::XorNot => a ^ !b,
                Op::Not => !a,
                Op::Neg => a.wrapping_neg(),
                Op::Shl => a << count,
                Op::Lshr => a >> count,
                Op::Ashr => ((a as $s) >> count) as $u,
                Op::Ror => a.rotate_right(count),
                Op::ShlI => a << n,
                Op::LshrI => a >> n,
                Op::AshrI => ((a as $s) >> n) as $u,
                Op::RorI => a.rotate_right(n),
                Op::Extr if n == 0 => b,
                Op::Extr => a << ($u::BITS - n) | b >> n,
                Op::Clz => a.leading_zeros() as $u,
                Op::Cls => ((a ^ ((a as $s) >> 1) as $u) << 1 | 1).leading_zeros() as $u,
                Op::Rbit => a.reverse_bits(),
                Op::Bswap => a.swap_bytes(),
                Op::Rev16 => {
                    let even = $u::MAX / 0xffff * 0xff;
                    (a & even) << 8 | (a >> 8) & even
                }
                Op::Popcnt => a.count_ones() as $u,
                Op::SextLow => sext(a as u64, (imm as u32).clamp(1, $u::BITS)) as $u,
                _ => return None,
            })
        }
    };
}

width!(
    /// 32-bit rows.
    eval32 u32 i32
);
width!(
    /// 64-bit rows.
    eval64 u64 i64
);

/// An integer op of result type I32 (`wide` false) or I64. `None` if `op` is not one.
#[inline]
pub fn eval(op: Op, wide: bool, a: u64, b: u64, imm: u64) -> Option<u64> {
    match op {
        Op::UMulH => Some(((a as u128 * b as u128) >> 64) as u64),
        Op::SMulH => Some(((a as i64 as i128 * b as i64 as i128) >> 64) as u64),
        Op::Rev32 => Some(a.swap_bytes().rotate_left(32)),
        Op::Trunc => Some(a & 0xffff_ffff),
        Op::Zext => Some(a & 0xffff_ffff),
        Op::Sext => Some(a as i32 as u64),
        _ if wide => eval64(op, a, b, imm),
        _ => eval32(op, a as u32, b as u32, imm).map(u64::from),
    }
}

/// An op on Bools; `None` if `op` is not one.
#[inline]
pub fn eval_bool(op: Op, a: bool, b: bool) -> Option<bool> {
    Some(match op {
        Op::BAnd => a & b,
        Op::BOr => a | b,
        Op::BXor => a ^ b,
        Op::BNot => !a,
        _ => return None,
    })
}

/// `Icmp` of two integers, 64 bits wide or 32.
#[inline]
pub fn icmp(c: IntCond, wide: bool, a: u64, b: u64) -> bool {
    let (a, b) = if wide {
        (a, b)
    } else {
        (sext(a, 32), sext(b, 32))
    };
    // Sign extension of both keeps the unsigned order too.
    let (sa, sb) = (a as i64, b as i64);
    match c {
        IntCond::Eq => a == b,
        IntCond::Ne => a != b,
        IntCond::Ult => a < b,
        IntCond::Ule => a <= b,
        IntCond::Ugt => a > b,
        IntCond::Uge => a >= b,
        IntCond::Slt => sa < sb,
        IntCond::Sle => sa <= sb,
        IntCond::Sgt => sa > sb,
        IntCond::Sge => sa >= sb,
    }
}

/// Packed NZCV of a flag-setting integer op on operands of the given width; `None` if `op` is not one.
#[inline]
pub fn eval_flags(op: Op, wide: bool, a: u64, b: u64, carry: bool) -> Option<u32> {
    Some(match op {
        Op::FlagsSub => add_with_carry(a, !b, true, wide),
        Op::FlagsAdd => add_with_carry(a, b, false, wide),
        Op::FlagsAdc => add_with_carry(a, b, carry, wide),
        Op::FlagsLogic if wide => flags::pack((a as i64) < 0, a == 0, false, false),
        Op::FlagsLogic => flags::pack((a as i32) < 0, a as u32 == 0, false, false),
        _ => return None,
    })
}

/// Lane `i` of `v`, zero-extended; lanes beyond 127 bits read as zero.
#[inline]
pub fn lane(shape: Shape, v: u128, i: u64) -> u64 {
    let bits = shape.lane_bits();
    match (i as u32).checked_mul(bits) {
        Some(at) if at < 128 => (v >> at) as u64 & low_mask(bits),
        _ => 0,
    }
}

/// `v` with lane `i` replaced by the low bits of `x`.
#[inline]
pub fn insert(shape: Shape, v: u128, i: u64, x: u64) -> u128 {
    let bits = shape.lane_bits().min(64);
    let at = (i as u32).wrapping_mul(bits) & 127;
    let m = low_mask(bits);
    v & !((m as u128) << at) | ((x & m) as u128) << at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{C, N, V, Z};

    #[test]
    fn corners() {
        let both =
            |op, a: u64, b: u64, imm| (eval(op, false, a, b, imm), eval(op, true, a, b, imm));
        let min32 = 0x8000_0000;
        assert_eq!(both(Op::UDiv, 7, 0, 0), (Some(0), Some(0)));
        assert_eq!(both(Op::SDiv, 7, 0, 0), (Some(0), Some(0)));
        assert_eq!(eval(Op::SDiv, false, min32, !0, 0), Some(min32));
        assert_eq!(eval(Op::SDiv, true, 1 << 63, !0, 0), Some(1 << 63));
        assert_eq!(both(Op::Cls, 0, 0, 0), (Some(31), Some(63)));
        assert_eq!(both(Op::Cls, !0, 0, 0), (Some(31), Some(63)));
        assert_eq!(both(Op::Cls, 1 << 30, 0, 0), (Some(0), Some(32)));
        assert_eq!(both(Op::Clz, 0, 0, 0), (Some(32), Some(64)));
        assert_eq!(both(Op::Extr, 1, 2, 0), (Some(2), Some(2)));
        assert_eq!(
            both(Op::Extr, 1, 2, 1),
            (Some(min32 + 1), Some((1 << 63) + 1))
        );
        assert_eq!(
            both(Op::SextLow, 0x1_0080, 0, 8),
            (Some(0xffff_ff80), Some(!0x7f))
        );
        assert_eq!(
            eval(Op::Rev16, true, 0x0123_4567_89ab_cdef, 0, 0),
            Some(0x2301_6745_ab89_efcd)
        );
        assert_eq!(
            eval(Op::Rev32, true, 0x0123_4567_89ab_cdef, 0, 0),
            Some(0x6745_2301_efcd_ab89)
        );
        assert_eq!(eval(Op::SMulH, true, !0, !0, 0), Some(0));
        assert_eq!(eval(Op::UMulH, true, !0, !0, 0), Some(!0 - 1));
        assert_eq!(both(Op::Shl, 1, 33, 0), (Some(2), Some(1 << 33)));
        assert_eq!(eval(Op::Sext, true, min32, 0, 0), Some(!0 << 31));
        assert_eq!(eval(Op::VUn, true, 0, 0, 0), None);
    }

    #[test]
    fn flag_corners() {
        assert_eq!(
            eval_flags(Op::FlagsSub, false, 1 << 40, 0, false),
            Some(Z | C)
        );
        assert_eq!(eval_flags(Op::FlagsSub, false, 0, 1, false), Some(N));
        assert_eq!(
            eval_flags(Op::FlagsSub, true, 1 << 63, 1, false),
            Some(C | V)
        );
        assert_eq!(
            eval_flags(Op::FlagsAdd, false, 0x7fff_ffff, 1, false),
            Some(N | V)
        );
        assert_eq!(eval_flags(Op::FlagsAdc, true, !0, 0, true), Some(Z | C));
        assert_eq!(
            eval_flags(Op::FlagsLogic, false, 1 << 31, 0, false),
            Some(N)
        );
        assert_eq!(eval_flags(Op::FlagsLogic, true, 1 << 31, 0, false), Some(0));
    }

    #[test]
    fn comparisons() {
        let small_big = (1_u64, 0xffff_ffff_u64);
        for (cond, narrow, wide) in [
            (IntCond::Eq, false, false),
            (IntCond::Ne, true, true),
            (IntCond::Ult, true, true),
            (IntCond::Uge, false, false),
            (IntCond::Slt, false, true),
            (IntCond::Sge, true, false),
        ] {
            assert_eq!(
                icmp(cond, false, small_big.0, small_big.1),
                narrow,
                "{cond:?}"
            );
            assert_eq!(icmp(cond, true, small_big.0, small_big.1), wide, "{cond:?}");
        }
    }

    #[test]
    fn lanes() {
        let v = u128::from_le_bytes(std::array::from_fn(|i| i as u8));
        assert_eq!(lane(Shape::H8, v, 7), 0x0f0e);
        assert_eq!(lane(Shape::D2, v, 1), 0x0f0e_0d0c_0b0a_0908);
        assert_eq!(lane(Shape::B16, v, 16), 0);
        assert_eq!(insert(Shape::S4, v, 3, !0) >> 96, 0xffff_ffff);
        assert_eq!(insert(Shape::B16, !0, 0, 0x100), !0xff);
    }
}
