//! Insn to IR, one file per manual class.
//!
//! [`translate_block`] turns the instructions from one address up to the next branch or trap into one block of a
//! [`Unit`]. It decodes exactly the words that execution can reach, never more. Every instruction begins with `Mark`; all
//! its memory accesses come before its `Set`s, so that a fault leaves the state of the `Mark`.
//!
//! This module must not know who executes the unit, nor how blocks become regions: direct branches leave by
//! [`Dest::Pc`], and whoever owns the unit links them.

mod atomic;
mod branch;
mod crypto;
mod dp_imm;
mod dp_reg;
mod fp;
mod fp_conv;
mod load_store;
mod load_store_simd;
pub mod mops;
pub mod operand;
mod pauth;
mod simd_diff;
mod simd_elem;
mod simd_misc;
mod simd_perm;
mod simd_same;
mod simd_scalar;
mod simd_shift;
pub mod sync;
mod system;
mod undefined;
mod vector;

pub use operand::Ctx;

use crate::arch::features::{FeatSet, MAX, Model};
use crate::decode::{self, Insn};
pub use branch::{ends_with_steady_br, is_simd};
use metaphrase_ir::{BlockId, Builder, Dest, Exit, TrapKind, Unit};

/// What translation depends on besides the words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Features that the guest CPU advertises; words of other features are undefined.
    pub feats: FeatSet,
    /// MIDR_EL1 of the model.
    pub midr: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config::for_model(&MAX)
    }
}

impl Config {
    /// The configuration of a CPU model.
    pub const fn for_model(m: &Model) -> Config {
        Config {
            feats: m.feats,
            midr: m.midr,
        }
    }

    /// The model, for its identification registers.
    pub const fn model(&self) -> Model {
        Model {
            name: "",
            midr: self.midr,
            feats: self.feats,
        }
    }
}

/// What follows an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// The next instruction, in the same block.
    Next,
    /// The block ends.
    End(Exit),
}

/// Translates the basic block at `pc` and appends it to `unit`: up to a branch, a trap, `max_insns` instructions (at
/// least 1) or the first word that `fetch` refuses; in the last two cases it goes on at the next address by a direct
/// exit. If the first word cannot be fetched (or `pc` is misaligned) the block is a `FetchFault`.
pub fn translate_block(
    unit: &mut Unit,
    cfg: &Config,
    pc: u64,
    fetch: &mut dyn FnMut(u64) -> Option<u32>,
    max_insns: u32,
) -> BlockId {
    let mut t = Ctx::new(Builder::new(unit, pc), cfg, pc);
    let mut at = pc;
    let exit = loop {
        let next = |dest| Exit::Goto {
            dest: Dest::Pc(dest),
            call: false,
        };
        if at.wrapping_sub(pc) / 4 >= u64::from(max_insns.max(1)) {
            break next(at);
        }
        let word = if at & 3 == 0 { fetch(at) } else { None };
        let Some(word) = word else {
            if at != pc {
                break next(at);
            }
            break Exit::Trap {
                kind: TrapKind::FetchFault,
                pc: at,
            };
        };
        t.start(at, word);
        at = at.wrapping_add(4);
        if let Flow::End(exit) = instruction(&mut t) {
            break exit;
        }
    };
    t.b.finish(at.wrapping_sub(pc) as u32, exit)
}

/// Translates the current instruction.
fn instruction(t: &mut Ctx<'_>) -> Flow {
    match decode::decode(t.word, t.cfg.feats) {
        Ok(Insn::DpImm(i)) => dp_imm::translate(t, i),
        Ok(Insn::Fp(i)) => fp::translate(t, i),
        Ok(Insn::FpHalf(i)) => fp::translate_half(t, i),
        Ok(Insn::FpConv(i)) => fp_conv::translate(t, i),
        Ok(Insn::FpConvHalf(i)) => fp_conv::translate_half(t, i),
        Ok(Insn::SimdSame(i)) => simd_same::translate(t, i),
        Ok(Insn::SimdSameFp(i)) => simd_same::translate_fp(t, i),
        Ok(Insn::SimdSameHalf(i)) => simd_same::translate_half(t, i),
        Ok(Insn::SimdSameExtra(i)) => simd_same::translate_extra(t, i),
        Ok(Insn::SimdDiff(i)) => simd_diff::translate(t, i),
        Ok(Insn::SimdMisc(i)) => simd_misc::translate(t, i),
        Ok(Insn::SimdMiscFp(i)) => simd_misc::translate_fp(t, i),
        Ok(Insn::SimdMiscHalf(i)) => simd_misc::translate_half(t, i),
        Ok(Insn::SimdAcross(i)) => simd_perm::translate_across(t, i),
        Ok(Insn::SimdCopy(i)) => simd_perm::translate_copy(t, i),
        Ok(Insn::SimdPerm(i)) => simd_perm::translate(t, i),
        Ok(Insn::SimdImm(i)) => simd_perm::translate_imm(t, i),
        Ok(Insn::SimdElem(i)) => simd_elem::translate(t, i),
        Ok(Insn::SimdElemFp(i)) => simd_elem::translate_fp(t, i),
        Ok(Insn::SimdShift(i)) => simd_shift::translate(t, i),
        Ok(Insn::ScalarSame(i)) => simd_scalar::translate_same(t, i),
        Ok(Insn::ScalarSameFp(i)) => simd_scalar::translate_same_fp(t, i),
        Ok(Insn::ScalarMisc(i)) => simd_scalar::translate_misc(t, i),
        Ok(Insn::ScalarMiscFp(i)) => simd_scalar::translate_misc_fp(t, i),
        Ok(Insn::ScalarPair(i)) => simd_scalar::translate_pair(t, i),
        Ok(Insn::ScalarElem(i)) => simd_scalar::translate_elem(t, i),
        Ok(Insn::ScalarShift(i)) => simd_scalar::translate_shift(t, i),
        Ok(Insn::Crypto(i)) => crypto::translate(t, i),
        Ok(Insn::DpReg(i)) => dp_reg::translate(t, i),
        Ok(Insn::Branch(i)) => branch::translate(t, i),
        Ok(Insn::System(i)) => system::translate(t, i),
        Ok(Insn::LoadStore(i)) => load_store::translate(t, i),
        Ok(Insn::LoadStoreSimd(i)) => load_store_simd::translate(t, i),
        Ok(Insn::Atomic(i)) => atomic::translate(t, i),
        Err(e) => undefined::refused(t, e),
    }
}
