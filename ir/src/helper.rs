//! THE list of run-time helpers that `Op::Call` may name: signature and effects. The runtime supplies the functions; a test
//! there says that each row has one.
//!
//! Calling convention of every helper: `extern "C" fn(state: *mut u8, aux: u64, a0: u64, a1: u64, a2: u64) -> u64`, unused
//! arguments 0. A helper with the `STATE` effect finds all slots current in `state` and may change any.

use crate::ops::Effects;
use crate::types::Type;

/// Row of the helper list.
#[derive(Debug)]
pub struct HelperInfo {
    /// Name in the text form and in statistics.
    pub name: &'static str,
    /// Argument types (integers only).
    pub args: &'static [Type],
    /// Result type or `Void`.
    pub res: Type,
    /// Effects; `STATE` makes the compiler write back and reload all slots around the call.
    pub effects: Effects,
}

macro_rules! helpers {
    ($( $(#[$doc:meta])* $id:ident $name:literal ($($arg:ident)*) $res:ident [$($eff:ident)*]; )*) => {
        /// A helper.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u16)]
        pub enum HelperId { $( $(#[$doc])* $id, )* }
        impl HelperId {
            /// Every helper, in order.
            pub const ALL: &'static [HelperId] = &[$(HelperId::$id,)*];
            const INFO: &'static [HelperInfo] = &[$(
                HelperInfo { name: $name, args: &[$(Type::$arg,)*], res: Type::$res,
                    effects: Effects::KEEP$(.union(Effects::$eff))*, },)*];
            /// The helper's row.
            pub const fn info(self) -> &'static HelperInfo { &Self::INFO[self as usize] }
            /// From `imm`.
            pub fn from_imm(imm: u64) -> Option<HelperId> { Self::ALL.get(imm as usize).copied() }
        }
    };
}

helpers! {
    /// MRS of a system register without a slot of its own; `aux` = op0:op1:CRn:CRm:op2 (16 bits, as in the instruction's bits 20..5).
    SysRead  "sys_read"  ()    I64  [STATE];
    /// MSR of such a register.
    SysWrite "sys_write" (I64) Void [STATE];
    /// FPSR with everything accumulated so far, wherever it is kept.
    ReadFpsr "read_fpsr" ()    I64  [STATE];
    /// Replaces FPSR. A comparison that the flags in the state are kept as raises nothing any more when it is made after this.
    WriteFpsr "write_fpsr" (I64) Void [STATE];
    /// WFE, WFI, YIELD: may let other threads run; `aux` 0 yield, 1 wfe, 2 wfi, 3 sev, 4 sevl.
    Wait     "wait"      ()    Void [STATE];
    /// Records that IC IVAU named this address; the block must end with a `Sync` trap after it.
    IcIvau   "ic_ivau"   (I64) Void [STATE];
    /// A pointer (or a word) and its modifier: code added, checked, or computed with the thread's keys; `aux` says which. A function of these.
    Pac      "pac"       (I64 I64) I64 [];
    /// Copies or sets memory: (destination, source or value, minus or plus what remains); result: what then remains. Touches no slot and does
    /// not fault; with `aux` bit 1 it asks the runtime to stop at a bad address. `aux` bit 0: copy.
    MemOp    "mem_op"    (I64 I64 I64) I64 [];
}
