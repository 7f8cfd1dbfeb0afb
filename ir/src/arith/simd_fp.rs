//! The meaning of the floating-point vector kinds: lane loops over [`crate::arith::fp`].
//!
//! Each entry point returns `None` for kinds that are not floating point; the dispatcher may ask here first. Lanes are
//! evaluated from the lowest up, as the pseudocode does; the order cannot be seen, since exceptions only accumulate.

use crate::arith::fp::{Fmt, basic, bfloat, compare, convert, estimate, integral};
use crate::arith::{Bits, FpEnv};
use crate::inst::Shape;
use crate::ops::{Round, VBinKind, VRedKind, VShiftKind, VTernKind, VUnKind};
use crate::ops_vector::HI;
use integral::IntTy;

/// The format of lanes of `8 << log2` bits.
const fn fmt(log2: u32) -> Fmt {
    match log2 {
        0 | 1 => Fmt::H,
        2 => Fmt::S,
        _ => Fmt::D,
    }
}

/// Lane `i` of lanes `8 << log2` bits wide, zero-extended; zero beyond 128 bits.
#[inline]
const fn get(v: Bits, log2: u32, i: u32) -> u64 {
    let at = i << (3 + log2);
    if at >= 128 {
        return 0;
    }
    let mask = if log2 >= 3 {
        u64::MAX
    } else {
        (1 << (8 << log2)) - 1
    };
    (v >> at) as u64 & mask
}

/// A vector of lanes `8 << log2` bits wide; those that would lie beyond 128 bits are dropped.
#[inline]
fn collect(log2: u32, lanes: u32, mut lane: impl FnMut(u32) -> u64) -> Bits {
    let mut v = 0;
    for i in 0..lanes.min(16 >> log2.min(4)) {
        let mask = if log2 >= 3 {
            u64::MAX
        } else {
            (1 << (8 << log2)) - 1
        };
        v |= ((lane(i) & mask) as Bits) << (i << (3 + log2));
    }
    v
}

/// All ones if `c`.
const fn ones(c: bool) -> u64 {
    (c as u64).wrapping_neg()
}

type Un = fn(Fmt, u64, &mut FpEnv) -> u64;
type Bin = fn(Fmt, u64, u64, &mut FpEnv) -> u64;
type Tern = fn(Fmt, [u64; 3], &mut FpEnv) -> u64;

/// One-operand FP kinds; `aux` supplies [`HI`].
pub fn eval_vun(kind: VUnKind, shape: Shape, a: Bits, aux: u32, env: &mut FpEnv) -> Option<Bits> {
    use VUnKind::*;
    let (log2, lanes) = (shape.lane_log2(), shape.lanes());
    let narrowing = |to: Fmt, mode, env: &mut FpEnv| {
        let from = fmt(log2 + 1);
        let lane = |i| convert::convert(from, to, get(a, log2 + 1, i), mode, env);
        Some(collect(log2, lanes, lane))
    };
    match kind {
        FCvtL => {
            let first = if aux & HI != 0 { 8 >> log2 } else { 0 };
            let (from, to) = (fmt(log2), fmt(log2 + 1));
            Some(collect(log2 + 1, lanes, |i| {
                convert::convert(from, to, get(a, log2, first + i), Round::Current, env)
            }))
        }
        FCvtN => narrowing(fmt(log2), Round::Current, env),
        FCvtXn => narrowing(fmt(log2), Round::Odd, env),
        BfCvtN => narrowing(Fmt::BF, Round::Current, env),
        _ => {
            let op = un(kind)?;
            Some(collect(log2, lanes, |i| {
                op(fmt(log2), get(a, log2, i), env)
            }))
        }
    }
}

/// What a one-operand kind does to each lane.
fn un(kind: VUnKind) -> Option<Un> {
    use VUnKind::*;
    Some(match kind {
        FNeg => |f, x, _| f.neg(x),
        FAbs => |f, x, _| f.abs(x),
        FSqrt => basic::sqrt,
        FRintN => |f, x, env| integral::round_int(f, x, Round::TieEven, false, env),
        FRintM => |f, x, env| integral::round_int(f, x, Round::NegInf, false, env),
        FRintP => |f, x, env| integral::round_int(f, x, Round::PosInf, false, env),
        FRintZ => |f, x, env| integral::round_int(f, x, Round::Zero, false, env),
        FRintA => |f, x, env| integral::round_int(f, x, Round::TieAway, false, env),
        FRintX => |f, x, env| integral::round_int(f, x, Round::Current, true, env),
        FRintI => |f, x, env| integral::round_int(f, x, Round::Current, false, env),
        FRint32X => |f, x, env| integral::round_int_n(f, x, Round::Current, 32, env),
        FRint32Z => |f, x, env| integral::round_int_n(f, x, Round::Zero, 32, env),
        FRint64X => |f, x, env| integral::round_int_n(f, x, Round::Current, 64, env),
        FRint64Z => |f, x, env| integral::round_int_n(f, x, Round::Zero, 64, env),
        FCmEq0 => |f, x, env| ones(compare::eq(f, x, 0, env)),
        FCmGe0 => |f, x, env| ones(compare::ge(f, x, 0, env)),
        FCmGt0 => |f, x, env| ones(compare::gt(f, x, 0, env)),
        FCmLe0 => |f, x, env| ones(compare::ge(f, 0, x, env)),
        FCmLt0 => |f, x, env| ones(compare::gt(f, 0, x, env)),
        FRecpE => estimate::recip,
        FRsqrtE => estimate::rsqrt,
        FRecpX => estimate::recip_exponent,
        URecpE => |_, x, _| estimate::unsigned_recip(x as u32) as u64,
        URsqrtE => |_, x, _| estimate::unsigned_rsqrt(x as u32) as u64,
        FCvtNS => |f, x, env| to_int(f, x, true, Round::TieEven, env),
        FCvtNU => |f, x, env| to_int(f, x, false, Round::TieEven, env),
        FCvtMS => |f, x, env| to_int(f, x, true, Round::NegInf, env),
        FCvtMU => |f, x, env| to_int(f, x, false, Round::NegInf, env),
        FCvtPS => |f, x, env| to_int(f, x, true, Round::PosInf, env),
        FCvtPU => |f, x, env| to_int(f, x, false, Round::PosInf, env),
        FCvtAS => |f, x, env| to_int(f, x, true, Round::TieAway, env),
        FCvtAU => |f, x, env| to_int(f, x, false, Round::TieAway, env),
        _ => return None,
    })
}

/// To an integer as wide as the lane.
fn to_int(f: Fmt, x: u64, signed: bool, mode: Round, env: &mut FpEnv) -> u64 {
    integral::to_fixed(f, x, 0, IntTy::new(f.bits(), signed), mode, env)
}

/// Two-operand FP kinds.
pub fn eval_vbin(kind: VBinKind, shape: Shape, a: Bits, b: Bits, env: &mut FpEnv) -> Option<Bits> {
    let (log2, lanes) = (shape.lane_log2(), shape.lanes());
    let f = fmt(log2);
    if matches!(kind, VBinKind::FCAdd90 | VBinKind::FCAdd270) {
        return Some(complex_add(kind, shape, a, b, env));
    }
    if let Some(op) = pairwise(kind) {
        // Element i of the lanes of a followed by those of b.
        let element = |i| {
            if i < lanes {
                get(a, log2, i)
            } else {
                get(b, log2, i - lanes)
            }
        };
        return Some(collect(log2, lanes, |i| {
            op(f, element(2 * i), element(2 * i + 1), env)
        }));
    }
    let op = bin(kind)?;
    Some(collect(log2, lanes, |i| {
        op(f, get(a, log2, i), get(b, log2, i), env)
    }))
}

/// What a two-operand kind does to each pair of lanes.
fn bin(kind: VBinKind) -> Option<Bin> {
    use VBinKind::*;
    Some(match kind {
        FAdd => basic::add,
        FSub => basic::sub,
        FMul => basic::mul,
        FDiv => basic::div,
        FMulX => basic::mulx,
        FMax => compare::max,
        FMin => compare::min,
        FMaxNm => compare::max_num,
        FMinNm => compare::min_num,
        FAbd => |f, x, y, env| f.abs(basic::sub(f, x, y, env)),
        FRecpS => estimate::recip_step,
        FRsqrtS => estimate::rsqrt_step,
        FCmEq => |f, x, y, env| ones(compare::eq(f, x, y, env)),
        FCmGe => |f, x, y, env| ones(compare::ge(f, x, y, env)),
        FCmGt => |f, x, y, env| ones(compare::gt(f, x, y, env)),
        FacGe => |f, x, y, env| ones(compare::ge(f, f.abs(x), f.abs(y), env)),
        FacGt => |f, x, y, env| ones(compare::gt(f, f.abs(x), f.abs(y), env)),
        _ => return None,
    })
}

/// What a pairwise kind does to neighbours.
fn pairwise(kind: VBinKind) -> Option<Bin> {
    use VBinKind::*;
    Some(match kind {
        FAddP => basic::add,
        FMaxP => compare::max,
        FMinP => compare::min,
        FMaxNmP => compare::max_num,
        FMinNmP => compare::min_num,
        _ => return None,
    })
}

/// FCADD: b turned by 90 or 270 degrees and added; lanes hold (real, imaginary).
fn complex_add(kind: VBinKind, shape: Shape, a: Bits, b: Bits, env: &mut FpEnv) -> Bits {
    let log2 = shape.lane_log2();
    let f = fmt(log2);
    collect(log2, shape.lanes(), |i| {
        let other = get(b, log2, i ^ 1);
        // i * (x + yi) = -y + xi.
        let negate = (kind == VBinKind::FCAdd90) == (i & 1 == 0);
        let other = if negate { f.neg(other) } else { other };
        basic::add(f, get(a, log2, i), other, env)
    })
}

/// Three-operand FP kinds: (accumulator, n, m).
pub fn eval_vtern(
    kind: VTernKind,
    shape: Shape,
    [d, n, m]: [Bits; 3],
    env: &mut FpEnv,
) -> Option<Bits> {
    use VTernKind::*;
    let (log2, lanes) = (shape.lane_log2(), shape.lanes());
    let half = |v, i| get(v, 1, i);
    let single = |v, i| get(v, 2, i);
    Some(match kind {
        FMla | FMls => {
            let op: Tern = match kind {
                FMla => |f, [d, n, m], env| basic::mul_add(f, d, n, m, env),
                _ => |f, [d, n, m], env| basic::mul_add(f, d, f.neg(n), m, env),
            };
            collect(log2, lanes, |i| {
                op(fmt(log2), [d, n, m].map(|v| get(v, log2, i)), env)
            })
        }
        FMlal | FMlsl | FMlal2 | FMlsl2 => {
            let first = if matches!(kind, FMlal2 | FMlsl2) {
                lanes
            } else {
                0
            };
            let negate = matches!(kind, FMlsl | FMlsl2);
            collect(2, lanes, |i| {
                let x = half(n, first + i);
                let x = if negate { Fmt::H.neg(x) } else { x };
                basic::mul_add_h(single(d, i), x, half(m, first + i), env)
            })
        }
        FCMla0 | FCMla90 | FCMla180 | FCMla270 => complex_mul_add(kind, shape, [d, n, m], env),
        BfDot => collect(2, lanes, |i| {
            let pair = |v| [half(v, 2 * i), half(v, 2 * i + 1)];
            bfloat::dot_add(single(d, i), pair(n), pair(m))
        }),
        BfMmla => collect(2, 4, |i| {
            let pair =
                |v, row: u32, k: u32| [half(v, 4 * row + 2 * k), half(v, 4 * row + 2 * k + 1)];
            (0..2).fold(single(d, i), |sum, k| {
                bfloat::dot_add(sum, pair(n, i / 2, k), pair(m, i % 2, k))
            })
        }),
        BfMlalB | BfMlalT => {
            let odd = (kind == BfMlalT) as u32;
            collect(2, lanes, |i| {
                let at = 2 * i + odd;
                bfloat::mul_add_h(single(d, i), half(n, at), half(m, at), env)
            })
        }
        _ => return None,
    })
}

/// FCMLA: half of a complex multiplication by m turned by 0, 90, 180 or 270 degrees; lanes hold (real, imaginary).
fn complex_mul_add(kind: VTernKind, shape: Shape, [d, n, m]: [Bits; 3], env: &mut FpEnv) -> Bits {
    let log2 = shape.lane_log2();
    let f = fmt(log2);
    // Rotations by 90 and 270 take n's imaginary part and swap m's parts.
    let swap = matches!(kind, VTernKind::FCMla90 | VTernKind::FCMla270) as u32;
    collect(log2, shape.lanes(), |i| {
        let imaginary = i & 1;
        let x = get(n, log2, (i & !1) + swap);
        let y = get(m, log2, i ^ swap);
        let negate = match kind {
            VTernKind::FCMla90 => imaginary == 0,
            VTernKind::FCMla180 => true,
            VTernKind::FCMla270 => imaginary == 1,
            _ => false,
        };
        let y = if negate { f.neg(y) } else { y };
        basic::mul_add(f, get(d, log2, i), x, y, env)
    })
}

/// Fixed-point and integer conversions; `imm` is the number of fraction bits.
pub fn eval_vshift(
    kind: VShiftKind,
    shape: Shape,
    a: Bits,
    imm: u64,
    env: &mut FpEnv,
) -> Option<Bits> {
    let (log2, lanes) = (shape.lane_log2(), shape.lanes());
    let (f, fbits) = (fmt(log2), imm as u32 & 0xff);
    let signed = matches!(kind, VShiftKind::FCvtZS | VShiftKind::SCvtF);
    let ty = IntTy::new(f.bits(), signed);
    match kind {
        VShiftKind::FCvtZS | VShiftKind::FCvtZU => Some(collect(log2, lanes, |i| {
            integral::to_fixed(f, get(a, log2, i), fbits, ty, Round::Zero, env)
        })),
        VShiftKind::SCvtF | VShiftKind::UCvtF => Some(collect(log2, lanes, |i| {
            integral::from_fixed(f, get(a, log2, i), fbits, ty, Round::Current, env)
        })),
        _ => None,
    }
}

/// Across-lanes FP kinds: Reduce, which halves the vector and combines the halves' results, low half first.
pub fn eval_vred(kind: VRedKind, shape: Shape, a: Bits, env: &mut FpEnv) -> Option<Bits> {
    let op: Bin = match kind {
        VRedKind::FMaxV => compare::max,
        VRedKind::FMinV => compare::min,
        VRedKind::FMaxNmV => compare::max_num,
        VRedKind::FMinNmV => compare::min_num,
        _ => return None,
    };
    let log2 = shape.lane_log2();
    Some(reduce(op, log2, a, 0, shape.lanes(), env) as Bits)
}

fn reduce(op: Bin, log2: u32, a: Bits, first: u32, lanes: u32, env: &mut FpEnv) -> u64 {
    if lanes <= 1 {
        return get(a, log2, first);
    }
    let half = lanes / 2;
    let hi = reduce(op, log2, a, first + half, half, env);
    let lo = reduce(op, log2, a, first, half, env);
    op(fmt(log2), lo, hi, env)
}
