//! Pointer authentication (Arm ARM D8.10; C6.2 for each instruction): signing and checking are the `Pac` helper's, which has the
//! keys; stripping is inline. Only reached when FEAT_PAuth is advertised.

use super::Ctx;
use crate::arch::pauth::{ADD, AUTHENTICATE, GENERIC, KERNEL_MASK, KeyId, PAC_MASK};
use crate::arch::state::SP;
use metaphrase_ir::Value;
use metaphrase_ir::helper::HelperId;

impl Ctx<'_> {
    fn pac(&mut self, aux: u32, x: Value, modifier: Value) -> Value {
        self.b.call(HelperId::Pac, aux, &[x, modifier])
    }

    /// Authenticates `x` with key A or B (by `key`) for instructions (or data).
    pub(super) fn authenticated(
        &mut self,
        data: bool,
        key: u32,
        x: Value,
        modifier: Value,
    ) -> Value {
        self.pac(AUTHENTICATE | u32::from(data) << 1 | key, x, modifier)
    }

    /// Copies of bit 55 in the place of the code.
    fn stripped(&mut self, x: Value) -> Value {
        let up = self.b.shl_i(x, 8);
        let sign = self.b.ashr_i(up, 63);
        let (mask, rest) = (self.b.i64(KERNEL_MASK), self.b.i64(!PAC_MASK));
        let (bits, x) = (self.b.and(sign, mask), self.b.and(x, rest));
        self.b.or(x, bits)
    }
}

/// PACIA and the other seven, by `op`; the modifier is Xn or SP, or zero.
pub fn pac_aut(t: &mut Ctx<'_>, op: u32, rn: Option<u32>, rd: u32) {
    let x = t.x(rd);
    let modifier = match rn {
        Some(n) => t.x_sp(n),
        None => t.b.i64(0),
    };
    let v = t.pac(op, x, modifier);
    t.set_x(rd, v);
}

/// PACGA.
pub fn pacga(t: &mut Ctx<'_>, rm: u32, rn: u32, rd: u32) {
    let (x, modifier) = (t.x(rn), t.x_sp(rm));
    let v = t.pac(GENERIC, x, modifier);
    t.set_x(rd, v);
}

/// XPACI, XPACD.
pub fn xpac(t: &mut Ctx<'_>, rd: u32) {
    let x = t.x(rd);
    let v = t.stripped(x);
    t.set_x(rd, v);
}

/// The instructions of the HINT space, by CRm:op2; false if it is none of them.
pub fn hint(t: &mut Ctx<'_>, imm7: u32) -> bool {
    let (ia, ib) = (KeyId::IA as u32, KeyId::IB as u32);
    if imm7 == 7 {
        xpac(t, 30); // XPACLRI
        return true;
    }
    let (aux, rd, sp) = match imm7 {
        8 => (ADD | ia, 17, None),
        10 => (ADD | ib, 17, None),
        12 => (AUTHENTICATE | ia, 17, None),
        14 => (AUTHENTICATE | ib, 17, None),
        24..32 => {
            let key = if imm7 & 2 == 0 { ia } else { ib };
            let op = if imm7 & 4 == 0 { ADD } else { AUTHENTICATE };
            (op | key, 30, Some(imm7 & 1 != 0))
        }
        _ => return false,
    };
    let modifier = match sp {
        None => t.x(16),
        Some(true) => t.b.get(SP),
        Some(false) => t.b.i64(0),
    };
    let x = t.x(rd);
    let v = t.pac(aux, x, modifier);
    t.set_x(rd, v);
    true
}
