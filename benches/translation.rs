//! What a guest instruction costs on its way to host code, stage by stage, over the code of the demonstration guest.

mod guest;

use criterion::{BatchSize, Criterion, Throughput};
use guest::{Function, blocks, functions, unit_of};
use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_arm64::arch::state::SLOTS;
use metaphrase_arm64::decode::decode;
use metaphrase_arm64::translate::Config;
use metaphrase_backend::bytecode::build::Builder;
use metaphrase_backend::emit::{CompileOpts, Compiler};
use metaphrase_ir::Unit;
use metaphrase_ir::opt::{Scratch, optimize};
use metaphrase_runtime::vcpu::TEMPS_OFFSET;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::mem::offset_of;

/// Where the guest state keeps the program counter.
fn pc_offset() -> u32 {
    (metaphrase_backend::abi::HEADER_SIZE as usize
        + offset_of!(metaphrase_arm64::arch::state::GuestState, pc)) as u32
}

fn instructions(all: &[Function]) -> u64 {
    all.iter().map(|f| f.words.len() as u64).sum()
}

fn front_end(c: &mut Criterion) {
    let all = functions();
    let cfg = Config::default();
    let mut g = c.benchmark_group("translation");
    g.throughput(Throughput::Elements(instructions(&all)));
    g.bench_function("decode", |b| {
        b.iter(|| {
            for w in all.iter().flat_map(|f| &f.words) {
                let _ = black_box(decode(black_box(*w), FeatSet::IMPLEMENTED));
            }
        });
    });
    g.bench_function("translate", |b| {
        let mut unit = Unit::new(&SLOTS);
        let none = BTreeSet::new();
        b.iter(|| {
            for f in &all {
                unit.clear();
                blocks(f, &cfg, &none, &mut unit);
                black_box(&unit);
            }
        });
    });
    let units: Vec<Unit> = all.iter().map(|f| unit_of(f, &cfg)).collect();
    g.bench_function("optimise", |b| {
        let mut scratch = Scratch::default();
        b.iter_batched_ref(
            || units.clone(),
            |units| units.iter_mut().for_each(|u| optimize(u, &mut scratch)),
            BatchSize::SmallInput,
        );
    });
    g.bench_function("bytecode", |b| {
        let mut builder = Builder::default();
        b.iter(|| {
            for u in &units {
                for block in &u.blocks {
                    let _ = black_box(builder.build(u, block, TEMPS_OFFSET));
                }
            }
        });
    });
    g.finish();
}

fn back_end(c: &mut Criterion) {
    let all = functions();
    let cfg = Config::default();
    let opts = CompileOpts {
        verify: false,
        ..CompileOpts::default()
    };
    let mut g = c.benchmark_group("compile");
    g.sample_size(20);
    // A loop of scalar floating point, recursion, and long integer code.
    for name in ["escape_time", "queens.constprop.0", "block"] {
        let f = all
            .iter()
            .find(|f| f.name == name)
            .expect("a function of the guest");
        let mut unit = unit_of(f, &cfg);
        optimize(&mut unit, &mut Scratch::default());
        let mut compiler = Compiler::new(&opts).expect("this host");
        g.throughput(Throughput::Elements(f.words.len() as u64));
        g.bench_function(name, |b| {
            b.iter(|| {
                compiler
                    .compile(&unit, pc_offset(), &opts)
                    .expect("compiles")
            });
        });
    }
    g.finish();
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    front_end(&mut c);
    back_end(&mut c);
    c.final_summary();
}
