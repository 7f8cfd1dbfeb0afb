//! CPU models: what a program reads from the identification registers, against the emulator's models of the same names.

#![allow(dead_code, reason = "shared modules of the test binaries")]

mod common;
#[path = "common/exec.rs"]
mod exec;

use exec::{CODE, CODE_BYTES, Group, Oracle, Regs};
use metaphrase_arm64::arch::features::{MODELS, Model};
use metaphrase_arm64::arch::sysreg::{How, REGS};
use metaphrase_arm64::translate::Config;

const MRS_X0: u32 = 0xd520_0000;

fn read(reg: u16) -> Group {
    Group {
        words: vec![MRS_X0 | u32::from(reg) << 5],
        at: CODE + CODE_BYTES / 2,
        memory: false,
        ins: vec![Regs::default()],
    }
}

/// What they show that we do not, with the reason.
fn known(model: &str, reg: &str) -> bool {
    // The same for all models: what a program does with its caches does not depend on the model here. That one's are virtually indexed.
    model == "cortex-a53" && reg == "CTR_EL0"
}

#[test]
fn identification_registers_are_those_of_the_emulators_models() {
    let Some(oracle) = Oracle::find() else { return };
    let regs: Vec<_> = REGS
        .iter()
        .filter(|r| matches!(r.how, How::Id(_) | How::Const(_)))
        .collect();
    let groups: Vec<Group> = regs.iter().map(|r| read(r.enc)).collect();
    let mut wrong = Vec::new();
    let named = |m: &&Model| ["cortex-a53", "cortex-a72", "neoverse-n1"].contains(&m.name);
    for m in MODELS.iter().filter(named) {
        let cfg = Config::for_model(m);
        let theirs = oracle.run_on(m.name, &groups);
        for ((r, g), theirs) in regs.iter().zip(&groups).zip(theirs) {
            let (ours, theirs) = (exec::ours(g, &g.ins[0], &cfg).x[0], theirs[0].x[0]);
            if ours != theirs && !known(m.name, r.name) {
                wrong.push(format!(
                    "{} {}: ours {ours:#x}, theirs {theirs:#x}",
                    m.name, r.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
