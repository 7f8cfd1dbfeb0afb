//! Words without a translation: every kind of refusal becomes a trap at the instruction's address.

use super::{Ctx, Flow};
use crate::decode::Undecoded;
use metaphrase_ir::{Exit, TrapKind};

impl Ctx<'_> {
    /// Ends the block with a trap at this instruction.
    pub fn trap(&self, kind: TrapKind) -> Flow {
        Flow::End(Exit::Trap { kind, pc: self.pc })
    }

    /// The instruction is UNDEFINED here.
    pub fn undefined(&self) -> Flow {
        self.trap(TrapKind::Undefined)
    }

    /// The instruction is known, but this build has no translation for it.
    pub fn unimplemented(&self) -> Flow {
        self.trap(TrapKind::Unimplemented(self.word))
    }
}

/// A word that did not decode.
pub fn refused(t: &Ctx<'_>, why: Undecoded) -> Flow {
    match why {
        Undecoded::Unallocated | Undecoded::Unpredictable => t.undefined(),
        Undecoded::Unimplemented(_) => t.unimplemented(),
    }
}
