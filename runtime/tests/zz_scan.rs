//! scratch
use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_arm64::arch::state::{PC_OFFSET, SLOTS};
use metaphrase_arm64::translate::{Config, translate_block};
use metaphrase_backend::baseline::Baseline;
use metaphrase_backend::bytecode::Op0;
use metaphrase_backend::bytecode::build::Builder;
use metaphrase_ir::Unit;
use metaphrase_runtime::cache::block::Block0;
use metaphrase_runtime::vcpu::TEMPS_OFFSET;
use std::collections::HashMap;
use std::time::Instant;

#[test]
fn scan() {
    let path = std::env::var("SCAN").unwrap();
    let elf = std::fs::read(&path).unwrap();
    let u64at = |o: usize| u64::from_le_bytes(elf[o..o + 8].try_into().unwrap());
    let u32at = |o: usize| u32::from_le_bytes(elf[o..o + 4].try_into().unwrap());
    let u16at = |o: usize| u16::from_le_bytes(elf[o..o + 2].try_into().unwrap());
    let (shoff, shn, shstr) = (u64at(40) as usize, u16at(60) as usize, u16at(62) as usize);
    let stroff = u64at(shoff + shstr * 64 + 24) as usize;
    let mut text = (0, 0, 0);
    for i in 0..shn {
        let s = shoff + i * 64;
        let n = stroff + u32at(s) as usize;
        if elf[n..].starts_with(b".text\0") {
            text = (
                u64at(s + 16),
                u64at(s + 24) as usize,
                u64at(s + 32) as usize,
            );
        }
    }
    let words: Vec<u32> = elf[text.1..text.1 + text.2]
        .chunks_exact(4)
        .map(|c| u32::from_le_bytes(c.try_into().unwrap()))
        .collect();
    let cfg = Config {
        feats: FeatSet::V8_0,
        ..Config::default()
    };
    let mut at = 0usize;
    let mut unit = Unit::new(&SLOTS);
    let mut builder = Builder::default();
    let mut blocks: Vec<(Block0, usize)> = vec![];
    let t = Instant::now();
    while at < words.len() && blocks.len() < 60000 {
        unit.clear();
        let pc = text.0 + at as u64 * 4;
        let mut fetch = |a: u64| words.get(at + (a.wrapping_sub(pc) / 4) as usize).copied();
        let id = translate_block(&mut unit, &cfg, pc, &mut fetch, 32);
        let b = unit.blocks[id.0 as usize].clone();
        let n = (b.guest_len / 4).max(1) as usize;
        if let Ok(code) = builder.build(&unit, &b, TEMPS_OFFSET) {
            blocks.push((Block0::new(pc, 0, Box::default(), code, false, None), n));
        }
        at += n;
    }
    let insns: usize = blocks.iter().map(|b| b.1).sum();
    let ops: usize = blocks.iter().map(|b| b.0.code.ops.len()).sum();
    println!(
        "{} blocks, {insns} insns, {ops} ops; translate+build {:.0} ns/insn",
        blocks.len(),
        t.elapsed().as_nanos() as f64 / insns as f64
    );
    let mut base = Baseline::new(PC_OFFSET, TEMPS_OFFSET);
    let (mut bytes, mut evals) = (0, 0);
    for round in 0..3 {
        let t = Instant::now();
        bytes = 0;
        evals = 0;
        for (b, _) in &blocks {
            if let Some(c) = base.compile(&b.code, b.pc, 0) {
                bytes += c.code.len();
                evals += c.evals as usize;
            }
        }
        let e = t.elapsed().as_nanos() as f64;
        println!(
            "round {round}: {:.1} ns/op, {:.0} ns/block, {:.1} ns/insn; {:.1} bytes/insn, {evals} callouts",
            e / ops as f64,
            e / blocks.len() as f64,
            e / insns as f64,
            bytes as f64 / insns as f64
        );
    }
    for chunk in [200usize, 2000] {
        let set = &blocks[1000..1000 + chunk];
        let (n, i): (usize, usize) = (
            set.iter().map(|b| b.0.code.ops.len()).sum(),
            set.iter().map(|b| b.1).sum(),
        );
        let mut best = f64::MAX;
        for _ in 0..40 {
            let t = Instant::now();
            for (b, _) in set {
                std::hint::black_box(base.compile(&b.code, b.pc, 0));
            }
            best = best.min(t.elapsed().as_nanos() as f64);
        }
        println!(
            "best of {chunk} blocks: {:.1} ns/op, {:.0} ns/block, {:.1} ns/insn",
            best / n as f64,
            best / chunk as f64,
            best / i as f64
        );
    }
    let mut kinds: HashMap<String, usize> = HashMap::new();
    for (b, _) in &blocks {
        for o in &b.code.ops {
            let k = match o.op {
                Op0::Eval | Op0::Rmw | Op0::Cas | Op0::StoreExcl | Op0::Call => {
                    let i = &b.code.evals[o.imm as usize].inst;
                    let aux = match i.op {
                        metaphrase_ir::Op::VBin => format!(
                            "{:?} {:?}",
                            metaphrase_ir::ops::VBinKind::from_aux(i.aux),
                            i.shape()
                        ),
                        metaphrase_ir::Op::VUn => format!(
                            "{:?} {:?}",
                            metaphrase_ir::ops::VUnKind::from_aux(i.aux),
                            i.shape()
                        ),
                        metaphrase_ir::Op::VShift => format!(
                            "{:?} {:?}",
                            metaphrase_ir::ops::VShiftKind::from_aux(i.aux),
                            i.shape()
                        ),
                        metaphrase_ir::Op::VTern => format!(
                            "{:?} {:?}",
                            metaphrase_ir::ops::VTernKind::from_aux(i.aux),
                            i.shape()
                        ),
                        metaphrase_ir::Op::VRed => format!(
                            "{:?} {:?}",
                            metaphrase_ir::ops::VRedKind::from_aux(i.aux),
                            i.shape()
                        ),
                        _ => format!("{:?} aux {:x} imm {}", i.ty, i.aux, i.imm),
                    };
                    format!("{:?}/{:?} {aux}", o.op, i.op)
                }
                op => format!("{op:?}"),
            };
            *kinds.entry(k).or_default() += 1;
        }
    }
    let mut k: Vec<_> = kinds.into_iter().collect();
    k.sort_by_key(|k| std::cmp::Reverse(k.1));
    for (k, n) in k
        .iter()
        .take(std::env::var("TOP").map_or(60, |t| t.parse().unwrap()))
    {
        println!("{n:8} {k}");
    }
    if let Ok(n) = std::env::var("SHOW") {
        base.map = true;
        for (b, _) in blocks.iter().skip(n.parse().unwrap()).take(4) {
            for (i, o) in b.code.ops.iter().enumerate() {
                println!(
                    "{i:3} {:?} d={} a={} b={} imm={:x}",
                    o.op, o.d, o.a, o.b, o.imm
                );
            }
            println!("{}", base.compile(&b.code, b.pc, 0).unwrap().listing());
        }
    }
}
