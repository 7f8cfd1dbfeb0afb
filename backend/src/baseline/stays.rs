//! What is better left to baseline code however often it runs.

use crate::bytecode::{BOp, Bytecode, EvalDesc, Op0};
use metaphrase_ir::helper::HelperId;
use metaphrase_ir::ops::{VBinKind, VTernKind, VUnKind};
use metaphrase_ir::{Cond, Op, Shape, Type};

/// Whether a block is better left to the baseline: Cranelift has no op for what it contains, the host has an instruction; or it is
/// arithmetic on long numbers, whose carries go round loops and cost regions more spilling than traces.
pub fn stays(code: &Bytecode) -> bool {
    code.evals().iter().any(native) || multiplies_long(code)
}

/// Whether a block has high halves of products and takes single carries in. (Chains of ADCS do as well in regions.)
fn multiplies_long(code: &Bytecode) -> bool {
    let has = |f: fn(&BOp) -> bool| code.ops.iter().any(f);
    has(|o| o.op == Op0::UMulH)
        && has(|o| o.op == Op0::Cond && o.imm == Cond::Cs as u64)
        && !has(|o| o.op == Op0::FlagsAdc64)
}

/// Whether an op has a template here on this host, and no way but a call in regions.
fn native(e: &EvalDesc) -> bool {
    let i = &e.inst;
    let aes = || std::is_x86_feature_detected!("aes");
    let sha = || std::is_x86_feature_detected!("sha");
    let f16c = || std::is_x86_feature_detected!("f16c");
    match i.op {
        // And what surrounds them need not be strict about flags nobody asks for.
        Op::Call => matches!(
            HelperId::from_imm(i.imm),
            Some(HelperId::ReadFpsr | HelperId::WriteFpsr)
        ),
        Op::FCvtFromH => f16c(),
        Op::FCvtToH => e.tys[0] == Type::F32 && f16c(),
        Op::VUn => match VUnKind::from_aux(i.aux) {
            VUnKind::AesMc | VUnKind::AesIMc => aes(),
            VUnKind::Rbit => std::is_x86_feature_detected!("gfni"),
            VUnKind::FCvtL | VUnKind::FCvtN => i.shape() == Shape::H4 && f16c(),
            _ => false,
        },
        Op::VBin => match VBinKind::from_aux(i.aux) {
            VBinKind::AesE | VBinKind::AesD => aes(),
            VBinKind::Sha256Su0 => sha(),
            VBinKind::PMulL => i.shape() == Shape::D1 && std::is_x86_feature_detected!("pclmulqdq"),
            _ => false,
        },
        Op::VTern => {
            use VTernKind::*;
            let k = VTernKind::from_aux(i.aux);
            matches!(k, Sha256H | Sha256H2 | Sha256Su1 | Sha1C | Sha1P | Sha1M) && sha()
        }
        _ => false,
    }
}
