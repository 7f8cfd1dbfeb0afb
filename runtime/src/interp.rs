//! Tier 0: executes bytecode, following links from block to block until something needs the dispatcher.
//!
//! Must not know what the guest's world is: traps, faults and hot blocks are returned. State is exact whenever it returns: the guest
//! pc is stored and all registers are in the frame.

use crate::cache::block::Block0;
use crate::helpers;
use crate::mem::access::{self, Faulted};
use crate::vcpu::Frame;
use metaphrase_backend::bytecode::{BOp, Bytecode, EvalDesc, Op0};
use metaphrase_ir::ops::{Effects, IntCond, Rmw};
use metaphrase_ir::{Cond, FlagsKind, Type, arith, flags};
use std::sync::atomic::{AtomicU32, Ordering, fence};

/// Why the interpreter returned. The guest pc in the frame says where to go on (for `Trap`: the instruction concerned).
#[derive(Clone, Copy, Debug)]
pub enum Left<'a> {
    /// Direct exit number `.1` of the block has no link yet.
    Unlinked(&'a Block0, usize),
    /// Indirect branch.
    Lookup,
    /// Encoded trap.
    Trap(u64),
    /// The stop flag is set.
    Stop,
    /// The block about to run wants attention: hot, dead, or compiled.
    Attention(&'a Block0),
    /// An access faulted: address, whether a write; the header has the host's view.
    Fault(u64, bool),
    /// A misaligned access where alignment is demanded.
    Align(u64),
    /// (Native code only) The baseline code at the guest pc has run often enough.
    Hot,
    /// (Native code only) An access faulted: repeat the instruction in tier 0.
    Retry,
}

/// Raw view of the frame as bytecode operands address it.
#[derive(Clone, Copy)]
struct Regs(*mut u8);

impl Regs {
    #[inline(always)]
    fn p<T>(self, off: u16) -> *mut T {
        // SAFETY: offsets come from the bytecode builder, which stays within the frame.
        unsafe { self.0.add(off as usize * 8).cast() }
    }
    #[inline(always)]
    fn get(self, off: u16) -> u64 {
        // SAFETY: as above.
        unsafe { *self.p(off) }
    }
    #[inline(always)]
    fn get32(self, off: u16) -> u32 {
        // SAFETY: as above.
        unsafe { *self.p(off) }
    }
    #[inline(always)]
    fn getv(self, off: u16) -> u128 {
        // SAFETY: as above; vectors are only 8-byte aligned as operands.
        unsafe { self.p::<u128>(off).read_unaligned() }
    }
    #[inline(always)]
    fn set(self, off: u16, v: u64) {
        // SAFETY: as above.
        unsafe { *self.p(off) = v }
    }
    #[inline(always)]
    fn setv(self, off: u16, v: u128) {
        // SAFETY: as above.
        unsafe { self.p::<u128>(off).write_unaligned(v) }
    }
    #[inline(always)]
    fn set_flags(self, off: u16, kind: FlagsKind, a: u64, b: u64) {
        self.set(off, kind as u64);
        self.set(off + 1, a);
        self.set(off + 2, b);
    }
    #[inline]
    fn nzcv(self, off: u16) -> u32 {
        let kind = FlagsKind::from_u64(self.get(off)).unwrap_or(FlagsKind::Nzcv);
        flags::nzcv(kind, self.get(off + 1), self.get(off + 2))
    }
    #[inline(always)]
    fn holds(self, cond: u16, off: u16) -> bool {
        let c = Cond::from_bits(cond as u32);
        let (kind, a, b) = (self.get(off), self.get(off + 1), self.get(off + 2));
        let known = if kind == FlagsKind::Sub64 as u64 {
            sub_holds(c, a, b, a as i64, b as i64)
        } else if kind == FlagsKind::Sub32 as u64 {
            let (a, b) = (a as u32, b as u32);
            sub_holds(c, a as u64, b as u64, a as i32 as i64, b as i32 as i64)
        } else {
            None
        };
        known.unwrap_or_else(|| c.holds(self.nzcv(off)))
    }
}

/// A condition on the flags of a - b, given both readings of the operands, where one comparison decides it.
#[inline(always)]
fn sub_holds(c: Cond, a: u64, b: u64, sa: i64, sb: i64) -> Option<bool> {
    Some(match c {
        Cond::Eq => a == b,
        Cond::Ne => a != b,
        Cond::Cs => a >= b,
        Cond::Cc => a < b,
        Cond::Hi => a > b,
        Cond::Ls => a <= b,
        Cond::Ge => sa >= sb,
        Cond::Lt => sa < sb,
        Cond::Gt => sa > sb,
        Cond::Le => sa <= sb,
        _ => return None,
    })
}

#[inline(always)]
fn icmp(c: u64, a: u64, b: u64, sa: i64, sb: i64) -> bool {
    match IntCond::from_bits(c as u32) {
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

/// Runs from `block` until something needs the dispatcher. `force`: the first block runs even if it wants attention.
///
/// # Safety
/// `frame` is the current thread's frame (see [`crate::signal::set_current`]) and `block`'s bytecode was built for it.
pub unsafe fn run<'a>(frame: *mut Frame, mut block: &'a Block0, mut force: bool) -> Left<'a> {
    let r = Regs(frame.cast());
    // SAFETY: the frame outlives the call; the stop word is atomic.
    let stop: &AtomicU32 = unsafe { &(*frame).header.stop };
    loop {
        if !force && block.wants_attention() {
            // SAFETY: this thread's frame.
            unsafe { (*frame).guest.pc = block.pc };
            return Left::Attention(block);
        }
        if stop.load(Ordering::Relaxed) != 0 && !force {
            // SAFETY: this thread's frame.
            unsafe { (*frame).guest.pc = block.pc };
            return Left::Stop;
        }
        force = false;
        let taken = match block_body(r, block) {
            Step::Link(n) => n,
            Step::Leave(mut l) => {
                let pc = match &mut l {
                    Body::Lookup(pc) => *pc,
                    Body::Trap => block.code.trap().map_or(block.pc, |t| t.1),
                    Body::Fault(i, ..) | Body::Align(i, _) => {
                        block.code.pc_of(*i).unwrap_or(block.pc)
                    }
                };
                // SAFETY: this thread's frame.
                unsafe { (*frame).guest.pc = pc };
                return match l {
                    Body::Lookup(_) => Left::Lookup,
                    Body::Trap => Left::Trap(block.code.trap().map_or(2, |t| t.0)),
                    Body::Fault(_, addr, write) => Left::Fault(addr, write),
                    Body::Align(_, addr) => Left::Align(addr),
                };
            }
        };
        match block.link(taken) {
            Some(next) => block = next,
            None => {
                // SAFETY: this thread's frame.
                unsafe { (*frame).guest.pc = block.successor(taken) };
                return Left::Unlinked(block, taken);
            }
        }
    }
}

enum Step {
    Link(usize),
    Leave(Body),
}

enum Body {
    Lookup(u64),
    Trap,
    Fault(u32, u64, bool),
    Align(u32, u64),
}

/// Strips the top byte of a tagged user address (top-byte-ignore); `None` if there is no tag.
#[cold]
fn untag(addr: u64) -> Option<u64> {
    let bare = addr & 0x00ff_ffff_ffff_ffff;
    (bare != addr && addr >> 55 & 1 == 0).then_some(bare)
}

#[inline(always)]
fn block_body(r: Regs, block: &Block0) -> Step {
    let ops: &[BOp] = &block.code.ops;
    let mut i = 0usize;
    macro_rules! fault {
        ($addr:expr, $write:expr) => {
            return Step::Leave(Body::Fault(i as u32, $addr, $write))
        };
    }
    // Retries a faulting access without its tag.
    macro_rules! mem {
        ($addr:expr, $write:expr, |$p:ident| $e:expr) => {{
            let addr = $addr;
            let $p = addr;
            // SAFETY: guest addresses; the access catches faults.
            match unsafe { $e } {
                Ok(v) => v,
                Err(Faulted) => match untag(addr) {
                    Some($p) => {
                        // SAFETY: as above.
                        match unsafe { $e } {
                            Ok(v) => v,
                            Err(Faulted) => fault!(addr, $write),
                        }
                    }
                    None => fault!(addr, $write),
                },
            }
        }};
    }
    macro_rules! rr64 {
        ($o:expr, |$a:ident, $b:ident| $e:expr) => {{
            let ($a, $b) = (r.get($o.a), r.get($o.b));
            r.set($o.d, $e)
        }};
    }
    macro_rules! rr32 {
        ($o:expr, |$a:ident, $b:ident| $e:expr) => {{
            let ($a, $b) = (r.get32($o.a), r.get32($o.b));
            r.set($o.d, ($e) as u32 as u64)
        }};
    }
    macro_rules! ri64 {
        ($o:expr, |$a:ident, $b:ident| $e:expr) => {{
            let ($a, $b) = (r.get($o.a), $o.imm);
            r.set($o.d, $e)
        }};
    }
    macro_rules! ri32 {
        ($o:expr, |$a:ident, $b:ident| $e:expr) => {{
            let ($a, $b) = (r.get32($o.a), $o.imm as u32);
            r.set($o.d, ($e) as u32 as u64)
        }};
    }
    macro_rules! ld {
        ($o:expr, $f:ident, |$v:ident| $e:expr) => {{
            let $v = mem!(r.get($o.a).wrapping_add($o.imm), false, |p| access::$f(p));
            r.set($o.d, $e)
        }};
    }
    macro_rules! st {
        ($o:expr, $f:ident) => {{
            let v = r.get($o.b);
            mem!(r.get($o.a).wrapping_add($o.imm), true, |p| access::$f(p, v))
        }};
    }
    loop {
        // SAFETY: bytecode ends with an exit op, which returns.
        let o = unsafe { ops.get_unchecked(i) };
        match o.op {
            Op0::Mov64 => r.set(o.d, r.get(o.a)),
            Op0::Mov32 => r.set(o.d, r.get32(o.a) as u64),
            Op0::MovV => r.setv(o.d, r.getv(o.a)),
            Op0::MovFlags => {
                let (k, a, b) = (r.get(o.a), r.get(o.a + 1), r.get(o.a + 2));
                r.set(o.d, k);
                r.set(o.d + 1, a);
                r.set(o.d + 2, b);
            }
            Op0::St32Slot => {
                let v = r.get32(o.a);
                // SAFETY: a slot's offset within the frame, from the builder.
                unsafe { r.0.add(o.imm as usize).cast::<u32>().write(v) }
            }
            Op0::Imm => r.set(o.d, o.imm),
            Op0::ImmV => r.setv(o.d, block.code.consts()[o.imm as usize]),
            Op0::Add64 => rr64!(o, |a, b| a.wrapping_add(b)),
            Op0::Sub64 => rr64!(o, |a, b| a.wrapping_sub(b)),
            Op0::And64 => rr64!(o, |a, b| a & b),
            Op0::Or64 => rr64!(o, |a, b| a | b),
            Op0::Xor64 => rr64!(o, |a, b| a ^ b),
            Op0::AndNot64 => rr64!(o, |a, b| a & !b),
            Op0::OrNot64 => rr64!(o, |a, b| a | !b),
            Op0::XorNot64 => rr64!(o, |a, b| a ^ !b),
            Op0::Mul64 => rr64!(o, |a, b| a.wrapping_mul(b)),
            Op0::Shl64 => rr64!(o, |a, b| a.wrapping_shl(b as u32)),
            Op0::Lshr64 => rr64!(o, |a, b| a.wrapping_shr(b as u32)),
            Op0::Ashr64 => rr64!(o, |a, b| (a as i64).wrapping_shr(b as u32) as u64),
            Op0::Ror64 => rr64!(o, |a, b| a.rotate_right(b as u32 & 63)),
            Op0::UDiv64 => rr64!(o, |a, b| a.checked_div(b).unwrap_or(0)),
            Op0::SDiv64 => rr64!(o, |a, b| if b == 0 {
                0
            } else {
                (a as i64).wrapping_div(b as i64) as u64
            }),
            Op0::UMulH => rr64!(o, |a, b| ((a as u128 * b as u128) >> 64) as u64),
            Op0::SMulH => rr64!(o, |a, b| ((a as i64 as i128 * b as i64 as i128) >> 64)
                as u64),
            Op0::Add32 => rr32!(o, |a, b| a.wrapping_add(b)),
            Op0::Sub32 => rr32!(o, |a, b| a.wrapping_sub(b)),
            Op0::And32 => rr32!(o, |a, b| a & b),
            Op0::Or32 => rr32!(o, |a, b| a | b),
            Op0::Xor32 => rr32!(o, |a, b| a ^ b),
            Op0::AndNot32 => rr32!(o, |a, b| a & !b),
            Op0::OrNot32 => rr32!(o, |a, b| a | !b),
            Op0::XorNot32 => rr32!(o, |a, b| a ^ !b),
            Op0::Mul32 => rr32!(o, |a, b| a.wrapping_mul(b)),
            Op0::Shl32 => rr32!(o, |a, b| a.wrapping_shl(b)),
            Op0::Lshr32 => rr32!(o, |a, b| a.wrapping_shr(b)),
            Op0::Ashr32 => rr32!(o, |a, b| (a as i32).wrapping_shr(b)),
            Op0::Ror32 => rr32!(o, |a, b| a.rotate_right(b & 31)),
            Op0::UDiv32 => rr32!(o, |a, b| a.checked_div(b).unwrap_or(0)),
            Op0::SDiv32 => rr32!(o, |a, b| if b == 0 {
                0
            } else {
                (a as i32).wrapping_div(b as i32)
            }),
            Op0::Add64I => ri64!(o, |a, b| a.wrapping_add(b)),
            Op0::And64I => ri64!(o, |a, b| a & b),
            Op0::Or64I => ri64!(o, |a, b| a | b),
            Op0::Xor64I => ri64!(o, |a, b| a ^ b),
            Op0::Shl64I => ri64!(o, |a, b| a.wrapping_shl(b as u32)),
            Op0::Lshr64I => ri64!(o, |a, b| a.wrapping_shr(b as u32)),
            Op0::Ashr64I => ri64!(o, |a, b| (a as i64).wrapping_shr(b as u32) as u64),
            Op0::Ror64I => ri64!(o, |a, b| a.rotate_right(b as u32 & 63)),
            Op0::Add32I => ri32!(o, |a, b| a.wrapping_add(b)),
            Op0::And32I => ri32!(o, |a, b| a & b),
            Op0::Or32I => ri32!(o, |a, b| a | b),
            Op0::Xor32I => ri32!(o, |a, b| a ^ b),
            Op0::Shl32I => ri32!(o, |a, b| a.wrapping_shl(b)),
            Op0::Lshr32I => ri32!(o, |a, b| a.wrapping_shr(b)),
            Op0::Ashr32I => ri32!(o, |a, b| (a as i32).wrapping_shr(b)),
            Op0::Ror32I => ri32!(o, |a, b| a.rotate_right(b & 31)),
            Op0::Not64 => r.set(o.d, !r.get(o.a)),
            Op0::Neg64 => r.set(o.d, r.get(o.a).wrapping_neg()),
            Op0::Clz64 => r.set(o.d, r.get(o.a).leading_zeros() as u64),
            Op0::Rbit64 => r.set(o.d, r.get(o.a).reverse_bits()),
            Op0::Bswap64 => r.set(o.d, r.get(o.a).swap_bytes()),
            Op0::Not32 => r.set(o.d, !r.get32(o.a) as u64),
            Op0::Neg32 => r.set(o.d, r.get32(o.a).wrapping_neg() as u64),
            Op0::Clz32 => r.set(o.d, r.get32(o.a).leading_zeros() as u64),
            Op0::Rbit32 => r.set(o.d, r.get32(o.a).reverse_bits() as u64),
            Op0::Bswap32 => r.set(o.d, r.get32(o.a).swap_bytes() as u64),
            Op0::AddShl64 => r.set(
                o.d,
                r.get(o.a)
                    .wrapping_add(r.get(o.b).wrapping_shl(o.imm as u32)),
            ),
            Op0::Sx8To64 => r.set(o.d, r.get(o.a) as i8 as i64 as u64),
            Op0::Sx16To64 => r.set(o.d, r.get(o.a) as i16 as i64 as u64),
            Op0::Sx32To64 => r.set(o.d, r.get(o.a) as i32 as i64 as u64),
            Op0::Sx8To32 => r.set(o.d, r.get(o.a) as i8 as i32 as u32 as u64),
            Op0::Sx16To32 => r.set(o.d, r.get(o.a) as i16 as i32 as u32 as u64),
            Op0::BAnd => rr64!(o, |a, b| a & b & 1),
            Op0::BOr => rr64!(o, |a, b| (a | b) & 1),
            Op0::BXor => rr64!(o, |a, b| (a ^ b) & 1),
            Op0::BNot => r.set(o.d, !r.get(o.a) & 1),
            Op0::Select64 => r.set(
                o.d,
                if r.get(o.imm as u16) & 1 != 0 {
                    r.get(o.a)
                } else {
                    r.get(o.b)
                },
            ),
            Op0::SelectV => r.setv(
                o.d,
                if r.get(o.imm as u16) & 1 != 0 {
                    r.getv(o.a)
                } else {
                    r.getv(o.b)
                },
            ),
            Op0::Icmp64 => rr64!(o, |a, b| icmp(o.imm, a, b, a as i64, b as i64) as u64),
            Op0::Icmp32 => {
                let (a, b) = (r.get32(o.a), r.get32(o.b));
                r.set(
                    o.d,
                    icmp(o.imm, a as u64, b as u64, a as i32 as i64, b as i32 as i64) as u64,
                )
            }
            Op0::FlagsSub64 => r.set_flags(o.d, FlagsKind::Sub64, r.get(o.a), r.get(o.b)),
            Op0::FlagsSub32 => r.set_flags(o.d, FlagsKind::Sub32, r.get(o.a), r.get(o.b)),
            Op0::FlagsAdd64 => r.set_flags(o.d, FlagsKind::Add64, r.get(o.a), r.get(o.b)),
            Op0::FlagsAdd32 => r.set_flags(o.d, FlagsKind::Add32, r.get(o.a), r.get(o.b)),
            Op0::FlagsSub64I => r.set_flags(o.d, FlagsKind::Sub64, r.get(o.a), o.imm),
            Op0::FlagsSub32I => r.set_flags(o.d, FlagsKind::Sub32, r.get(o.a), o.imm),
            Op0::FlagsAdd64I => r.set_flags(o.d, FlagsKind::Add64, r.get(o.a), o.imm),
            Op0::FlagsAdd32I => r.set_flags(o.d, FlagsKind::Add32, r.get(o.a), o.imm),
            Op0::FlagsLogic64 => r.set_flags(o.d, FlagsKind::Logic64, r.get(o.a), 0),
            Op0::FlagsLogic32 => r.set_flags(o.d, FlagsKind::Logic32, r.get(o.a), 0),
            Op0::FlagsAdc64 | Op0::FlagsAdc32 => flags_adc(r, o),
            Op0::FlagsPack => {
                r.set_flags(o.d, FlagsKind::Nzcv, r.get32(o.a) as u64 & 0xf000_0000, 0)
            }
            Op0::FlagsUnpack => r.set(o.d, r.nzcv(o.a) as u64),
            Op0::FlagsSelect => {
                let (k, a, b) = (r.get(o.a), r.get(o.a + 1), r.get(o.a + 2));
                if r.get(o.b) & 1 != 0 {
                    r.set(o.d, k);
                    r.set(o.d + 1, a);
                    r.set(o.d + 2, b);
                } else {
                    r.set_flags(o.d, FlagsKind::Nzcv, o.imm, 0);
                }
            }
            Op0::Cond => r.set(o.d, r.holds(o.imm as u16, o.a) as u64),
            Op0::CondSelect64 => {
                let c = r.holds(o.imm as u16 & 0xff, (o.imm >> 8) as u16);
                r.set(o.d, if c { r.get(o.a) } else { r.get(o.b) })
            }
            Op0::Ld8 => ld!(o, load8, |v| v),
            Op0::Ld16 => ld!(o, load16, |v| v),
            Op0::Ld32 => ld!(o, load32, |v| v),
            Op0::Ld64 => ld!(o, load64, |v| v),
            Op0::Lds8To64 => ld!(o, load8, |v| v as i8 as i64 as u64),
            Op0::Lds16To64 => ld!(o, load16, |v| v as i16 as i64 as u64),
            Op0::Lds32To64 => ld!(o, load32, |v| v as i32 as i64 as u64),
            Op0::Lds8To32 => ld!(o, load8, |v| v as i8 as i32 as u32 as u64),
            Op0::Lds16To32 => ld!(o, load16, |v| v as i16 as i32 as u32 as u64),
            Op0::Ld128 => {
                let v = mem!(r.get(o.a).wrapping_add(o.imm), false, |p| access::load128(
                    p
                ));
                r.setv(o.d, v)
            }
            Op0::Ldp64 => {
                let a = r.get(o.a).wrapping_add(o.imm as i32 as i64 as u64);
                let v1 = mem!(a, false, |p| access::load64(p));
                let v2 = mem!(a.wrapping_add(8), false, |p| access::load64(p));
                r.set(o.d, v1);
                r.set((o.imm >> 32) as u16, v2);
            }
            Op0::LdX8 => r.set(
                o.d,
                mem!(r.get(o.a).wrapping_add(r.get(o.b) << o.imm), false, |p| {
                    access::load8(p)
                }),
            ),
            Op0::LdX16 => r.set(
                o.d,
                mem!(r.get(o.a).wrapping_add(r.get(o.b) << o.imm), false, |p| {
                    access::load16(p)
                }),
            ),
            Op0::LdX32 => r.set(
                o.d,
                mem!(r.get(o.a).wrapping_add(r.get(o.b) << o.imm), false, |p| {
                    access::load32(p)
                }),
            ),
            Op0::LdX64 => r.set(
                o.d,
                mem!(r.get(o.a).wrapping_add(r.get(o.b) << o.imm), false, |p| {
                    access::load64(p)
                }),
            ),
            Op0::St8 => st!(o, store8),
            Op0::St16 => st!(o, store16),
            Op0::St32 => st!(o, store32),
            Op0::St64 => st!(o, store64),
            Op0::St128 => {
                let v = r.getv(o.b);
                mem!(r.get(o.a).wrapping_add(o.imm), true, |p| access::store128(
                    p, v
                ))
            }
            Op0::Align => {
                let a = r.get(o.a).wrapping_add(o.imm);
                if a & o.d as u64 != 0 {
                    return Step::Leave(Body::Align(i as u32, a));
                }
            }
            Op0::Fence => fence(Ordering::SeqCst),
            Op0::ZeroBlock => {
                let a = r.get(o.a) & !(o.imm - 1);
                for k in (0..o.imm).step_by(8) {
                    mem!(a + k, true, |p| access::store64(p, 0));
                }
            }
            Op0::VLo64 => {
                let v = r.get(o.a);
                r.set(o.d, v);
                r.set(o.d + 1, 0);
            }
            Op0::VLo32 => {
                let v = r.get32(o.a);
                r.set(o.d, v as u64);
                r.set(o.d + 1, 0);
            }
            Op0::VPair => {
                let (a, b) = (r.get(o.a), r.get(o.b));
                r.set(o.d, a);
                r.set(o.d + 1, b);
            }
            Op0::VAnd => r.setv(o.d, r.getv(o.a) & r.getv(o.b)),
            Op0::VOr => r.setv(o.d, r.getv(o.a) | r.getv(o.b)),
            Op0::VXor => r.setv(o.d, r.getv(o.a) ^ r.getv(o.b)),
            Op0::Eval => eval(r, &block.code.evals()[o.imm as usize], block.code.consts()),
            Op0::Rmw | Op0::Cas | Op0::StoreExcl => {
                if let Err(b) = atomic(r, &block.code.evals()[o.imm as usize], i as u32) {
                    return Step::Leave(b);
                }
            }
            Op0::Call => call(r, &block.code.evals()[o.imm as usize]),
            Op0::Goto => return Step::Link(0),
            Op0::Br => return Step::Link((r.get(o.a) & 1 == 0) as usize),
            Op0::BrCond => return Step::Link(!r.holds(o.d, o.a) as usize),
            Op0::BrEqz64 => return Step::Link((r.get(o.a) != 0) as usize),
            Op0::BrNez64 => return Step::Link((r.get(o.a) == 0) as usize),
            Op0::BrEqz32 => return Step::Link((r.get32(o.a) != 0) as usize),
            Op0::BrNez32 => return Step::Link((r.get32(o.a) == 0) as usize),
            Op0::BrBit0 => return Step::Link((r.get(o.a) >> o.d & 1 != 0) as usize),
            Op0::BrBit1 => return Step::Link((r.get(o.a) >> o.d & 1 == 0) as usize),
            Op0::Indirect => return Step::Leave(Body::Lookup(r.get(o.a))),
            Op0::Trap => return Step::Leave(Body::Trap),
        }
        i += 1;
    }
}

/// Executes the one op `o` for baseline code, which has no template for it; see [`Builtin::BytecodeOp`] for the result. Anything that
/// does not belong here counts as faulted, so that tier 0 repeats it.
///
/// [`Builtin::BytecodeOp`]: metaphrase_backend::abi::Builtin::BytecodeOp
///
/// # Safety
/// `frame` is the current thread's frame, `o` an op of `code`, which was built for it.
pub unsafe fn one_op(frame: *mut Frame, o: &BOp, code: &Bytecode) -> u64 {
    let r = Regs(frame.cast());
    let desc = || &code.evals()[o.imm as usize];
    match o.op {
        Op0::Eval => {
            let fp = desc().inst.effects().contains(Effects::FPENV);
            // SAFETY: this thread's frame, which nobody else refers to meanwhile.
            let f = unsafe { &mut *frame };
            if fp {
                f.fold_host_flags();
            }
            eval(r, desc(), code.consts());
            if fp {
                f.restore_guest_mxcsr();
            }
        }
        Op0::Rmw | Op0::Cas | Op0::StoreExcl => return atomic(r, desc(), 0).is_err() as u64,
        // Helpers compute nothing in floating point.
        Op0::Call => call(r, desc()),
        Op0::FlagsUnpack => r.set(o.d, r.nzcv(o.a) as u64),
        Op0::FlagsAdc64 | Op0::FlagsAdc32 => flags_adc(r, o),
        Op0::Cond => r.set(o.d, r.holds(o.imm as u16, o.a) as u64),
        Op0::CondSelect64 => {
            let c = r.holds(o.imm as u16 & 0xff, (o.imm >> 8) as u16);
            r.set(o.d, r.get(if c { o.a } else { o.b }))
        }
        Op0::BrCond => return 2 + !r.holds(o.d, o.a) as u64,
        _ => return 1,
    }
    0
}

fn flags_adc(r: Regs, o: &BOp) {
    let carry = r.get(o.imm as u16) & 1 != 0;
    let kind = match (o.op == Op0::FlagsAdc64, carry) {
        (false, false) => FlagsKind::Add32,
        (false, true) => FlagsKind::AddC32,
        (true, false) => FlagsKind::Add64,
        (true, true) => FlagsKind::AddC64,
    };
    r.set_flags(o.d, kind, r.get(o.a), r.get(o.b))
}

/// Operand `n` of a described instruction as bits.
fn operand(r: Regs, e: &EvalDesc, n: usize) -> u128 {
    let o = e.args[n];
    match e.tys[n] {
        Type::Void => 0,
        Type::V128 => r.getv(o),
        Type::Flags => r.nzcv(o) as u128,
        Type::Bool => (r.get(o) & 1) as u128,
        Type::I8 => r.get(o) as u8 as u128,
        Type::I16 => r.get(o) as u16 as u128,
        Type::I32 | Type::F32 => r.get32(o) as u128,
        Type::I64 | Type::F64 => r.get(o) as u128,
    }
}

fn put(r: Regs, e: &EvalDesc, v: u128) {
    match e.inst.ty {
        Type::Void => {}
        Type::V128 => r.setv(e.d, v),
        Type::Flags => r.set_flags(e.d, FlagsKind::Nzcv, v as u64, 0),
        _ => r.set(e.d, v as u64),
    }
}

#[inline(never)]
fn eval(r: Regs, e: &EvalDesc, consts: &[u128]) {
    let args = [
        operand(r, e, 0),
        operand(r, e, 1),
        operand(r, e, 2),
        operand(r, e, 3),
    ];
    // SAFETY: Regs points at the current frame.
    let frame = unsafe { &mut *r.0.cast::<Frame>() };
    frame.counts().eval(0, &e.inst);
    let mut env = arith::FpEnv {
        fpcr: frame.guest.fpcr,
        fpsr: frame.guest.fpsr,
    };
    let v = arith::eval(&e.inst, args, |_| e.tys[0], consts, &mut env);
    frame.guest.fpsr = env.fpsr;
    put(r, e, v.unwrap_or(0));
}

#[inline(never)]
fn call(r: Regs, e: &EvalDesc) {
    let a = |n| operand(r, e, n) as u64;
    let v = helpers::call(r.0, e.inst.imm, e.inst.aux as u64, a(0), a(1), a(2));
    put(r, e, v as u128);
}

/// Read-modify-write, compare-and-swap, store-exclusive.
#[inline(never)]
fn atomic(r: Regs, e: &EvalDesc, i: u32) -> Result<(), Body> {
    let m = e.inst.mem();
    let mut addr = operand(r, e, 0) as u64;
    if addr & (m.bytes() as u64 - 1) != 0 && (m.aligned || m.size == 4) {
        return Err(Body::Align(i, addr));
    }
    if e.inst.op == metaphrase_ir::Op::StoreExcl && operand(r, e, 2) as u64 != addr {
        // Without the monitor there is no access, hence no fault.
        put(r, e, 1);
        return Ok(());
    }
    let mask = if m.size == 4 {
        u128::MAX
    } else {
        (1u128 << (m.bytes() * 8)) - 1
    };
    // SAFETY: guest address; faults are caught. A tagged address is retried without its tag.
    let probe = match unsafe { access::load(addr, m.size) } {
        Ok(v) => v,
        Err(Faulted) => {
            let fault = Body::Fault(i, addr, false);
            let Some(bare) = untag(addr) else {
                return Err(fault);
            };
            addr = bare;
            // SAFETY: as above.
            unsafe { access::load(bare, m.size) }.map_err(|_| fault)?
        }
    };
    // SAFETY: guest address; faults are caught.
    let cas = |expected: u128, new: u128| {
        // SAFETY: guest address; faults are caught.
        unsafe { access::cmpxchg(addr, m.size, expected, new) }
            .map_err(|_| Body::Fault(i, addr, true))
    };
    let v = match e.inst.op {
        metaphrase_ir::Op::AtomicRmw => {
            let op = Rmw::from_aux(e.inst.aux);
            let (mut old, v) = (probe, operand(r, e, 1) as u64);
            loop {
                let new = op.apply(old as u64, v, m.bytes() * 8) as u128;
                let seen = cas(old, new)?;
                if seen == old {
                    break old;
                }
                old = seen;
            }
        }
        metaphrase_ir::Op::AtomicCas => cas(operand(r, e, 1) & mask, operand(r, e, 2) & mask)?,
        _ => {
            let (new, expected) = (operand(r, e, 1) & mask, operand(r, e, 3) & mask);
            u128::from(cas(expected, new)? != expected)
        }
    };
    put(r, e, v);
    Ok(())
}
