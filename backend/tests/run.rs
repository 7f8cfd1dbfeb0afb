//! Compiled units against the reference interpreter: random units, faults at every access, exits, entries, chaining.

mod harness;

use harness::{Bench, Loaded, Outcome, machine};
use metaphrase_backend::abi::{JUMP_ENTRIES, JumpEntry, second_index};
use metaphrase_backend::emit::{CompileError, CompileOpts};
use metaphrase_ir::helper::HelperId;
use metaphrase_ir::interp::{self, FaultKind, Left, State};
use metaphrase_ir::parse::parse;
use metaphrase_ir::testing::{Mix, TEST_SLOTS, TestMachine, WINDOW, random_unit};
use metaphrase_ir::{BlockId, MemInfo, Op, Slot, Unit, verify};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

/// Exception bits of FPSR.
const RAISED: u32 = 0x1f;

fn expected(left: Left) -> Option<Outcome> {
    Some(match left {
        Left::Direct { pc, .. } => Outcome::Direct(pc),
        Left::Indirect { pc, .. } => Outcome::Lookup(pc),
        Left::Trap { kind, pc } => Outcome::Trap(kind, pc),
        Left::Fault { pc, fault } if fault.kind == FaultKind::Alignment => Outcome::Alignment(pc),
        Left::Fault { pc, .. } => Outcome::Fault(pc),
        Left::Budget(_) => return None,
    })
}

fn numbers(seed: u64, n: usize) -> Vec<u64> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x.wrapping_mul(0x2545_f491_4f6c_dd1d)
        })
        .collect()
}

/// Runs a unit from each of its entries. `Ok(None)`: nothing to compare (endless, or an op has no meaning).
fn compare(bench: &mut Bench, unit: &Unit, seed: u64) -> Result<Option<Outcome>, String> {
    let compiled = match bench.compile(unit) {
        Ok(c) => c,
        Err(CompileError::Limit) => return Ok(None),
        Err(e) => return Err(format!("{e}\n{unit}")),
    };
    let loaded = bench.load(compiled);
    let entries = (0..unit.blocks.len()).filter(|&i| unit.blocks[i].entry);
    let mut last = Ok(None);
    for (n, block) in entries.enumerate() {
        last = compare_from(bench, unit, &loaded, (n, block), seed);
        if !matches!(last, Ok(Some(_))) {
            break;
        }
    }
    last
}

fn compare_from(
    bench: &mut Bench,
    unit: &Unit,
    loaded: &Loaded,
    (entry, block): (usize, usize),
    seed: u64,
) -> Result<Option<Outcome>, String> {
    let mut want = machine(seed);
    let from = BlockId(block as u32);
    let Ok(left) = catch_unwind(AssertUnwindSafe(|| {
        let TestMachine { slots, fp, memory } = &mut want;
        interp::run(unit, from, &mut State { slots, fp }, memory, 200)
    })) else {
        return Ok(None);
    };
    let Some(want_out) = expected(left) else {
        return Ok(None);
    };
    let mut got = machine(seed);
    let (out, mxcsr) = bench.run_from(loaded, entry, &mut got);
    want.normalize();
    got.normalize();
    // Behind a fault, or in the middle of a guest instruction, units that nobody translated from guest code may look different.
    let whole = matches!(out, Outcome::Direct(_) | Outcome::Lookup(_));
    let raised = |m: &TestMachine| if whole { m.fp.fpsr & RAISED } else { 0 };
    got.fp.fpsr |= mxcsr & 1 | mxcsr >> 1 & 0x1e;
    let same = |a: &TestMachine, b: &TestMachine| {
        a.slots == b.slots && a.memory == b.memory && raised(a) == raised(b)
    };
    if out == want_out && same(&want, &got) {
        return Ok(Some(out));
    }
    Err(format!(
        "want {want_out:?} got {out:?} seed {seed} from {from:?}\nwant {:x?}\n got {:x?}\nfpsr {:x} {:x} memory same: {}\n{unit}\n{}",
        want.slots,
        got.slots,
        want.fp.fpsr,
        got.fp.fpsr,
        want.memory == got.memory,
        loaded.unit.listing()
    ))
}

fn random(mix: Mix, opts: CompileOpts, units: u64, first: u64, entries: bool) {
    let mut bench = Bench::new(opts);
    let (mut ran, mut faults) = (0, 0);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut failure = None;
    for s in first..first + units {
        let mut unit = random_unit(&numbers(s, 4 + (s % 60) as usize), mix);
        // Front ends mark atomics that the guest architecture wants aligned, 16-byte ones always.
        for i in &mut unit.insts {
            if matches!(i.op, Op::AtomicRmw | Op::AtomicCas | Op::StoreExcl) && i.mem().size == 4 {
                i.aux |= MemInfo::plain(0).aligned().pack();
            }
        }
        // FPSR is compared where the unit is left.
        for i in unit.insts.iter_mut().filter(|i| i.op == Op::Call) {
            match HelperId::from_imm(i.imm) {
                Some(HelperId::ReadFpsr) => i.imm = HelperId::SysRead as u64,
                Some(HelperId::WriteFpsr) => i.imm = HelperId::SysWrite as u64,
                _ => {}
            }
        }
        for (i, b) in unit.blocks.iter_mut().enumerate() {
            b.entry |= entries && (s >> (i % 8)) & 1 != 0;
        }
        if !verify::violations(&unit).is_empty() {
            continue;
        }
        match compare(&mut bench, &unit, s) {
            Ok(Some(out)) => {
                ran += 1;
                faults += matches!(out, Outcome::Fault(_)) as u64;
            }
            Ok(None) => {}
            Err(e) => {
                failure = Some(e);
                break;
            }
        }
    }
    std::panic::set_hook(hook);
    assert!(failure.is_none(), "{}", failure.unwrap_or_default());
    assert!(
        ran > units / 3 && faults > units / 50,
        "{ran} ran, {faults} faulted of {units}"
    );
}

#[test]
fn random_integer_units() {
    random(Mix::Integer, harness::opts(), 700, 1, false);
}

#[test]
fn random_units_of_every_op() {
    random(Mix::Anything, harness::opts(), 1500, 1, false);
}

#[test]
fn random_units_with_several_entries() {
    random(Mix::Integer, harness::opts(), 1500, 500_000, true);
}

#[test]
fn random_units_with_a_pad_for_each_access() {
    let opts = CompileOpts {
        group_pads: false,
        ..harness::opts()
    };
    random(Mix::Integer, opts, 300, 100_000, false);
}

fn text(s: &str) -> Unit {
    let unit = parse(s, &TEST_SLOTS).unwrap_or_else(|e| panic!("{e}\n{s}"));
    verify::assert_sound(&unit, "parsing");
    unit
}

/// x0 counts down in a loop, x1 up; three entries.
const LOOP: &str = "
block0 @0x1000 len 4 entry:
  mark 0x1000
  v1:i64 = const #100
  set x1, v1
  goto block1
block1 @0x1004 len 12 entry:
  mark 0x1004
  v4:i64 = get x1
  v5:i64 = const #1
  v6:i64 = add v4, v5
  set x1, v6
  mark 0x1008
  v9:i64 = get x0
  v10:i64 = sub v9, v5
  v11:flags = flags.sub v9, v5
  set x0, v10
  set nzcv, v11
  mark 0x100c
  v15:bool = cond.ne v11
  branch v15, block1, block2
block2 @0x1010 len 4 entry:
  mark 0x1010
  v18:i64 = get x1
  set x2, v18
  goto 0x2000
";

fn slot(name: &str) -> Slot {
    TEST_SLOTS.by_name(name).expect("a test slot")
}

#[test]
fn every_entry_starts_at_its_block() {
    let mut bench = Bench::new(harness::opts());
    let l = bench.compile(&text(LOOP)).expect("compiles");
    assert_eq!(
        l.entries.iter().map(|e| e.0).collect::<Vec<_>>(),
        [0x1000, 0x1004, 0x1010]
    );
    let l = bench.load(l);
    for (entry, x1, x2) in [(0, 107, 107), (1, 17, 17), (2, 10, 10)] {
        let mut m = machine(1);
        m.set(slot("x0"), 7);
        m.set(slot("x1"), 10);
        let mut f = bench.frame(&m);
        assert_eq!(
            bench.enter(&l, &mut f, l.entry(entry)),
            Outcome::Direct(0x2000)
        );
        bench.registers_out(&f, &mut m);
        assert_eq!((m.get(slot("x1")), m.get(slot("x2"))), (x1, x2));
        if entry < 2 {
            assert_eq!(m.get(slot("nzcv")), 0x6000_0000, "Z and C of 1 - 1");
        }
    }
}

/// Cranelift hoists what a loop computes from constants to a place that dominates the loop, which with several entries is none
/// of the doors.
#[test]
fn constants_hoisted_above_the_entries_are_there_for_each() {
    let unit = "
block0 @0x1000 len 4 entry:
  mark 0x1000
  v1:i64 = const #0
  set x1, v1
  goto block1
block1 @0x1004 len 12 entry:
  mark 0x1004
  v4:i64 = get x1
  v5:i64 = const #0x9e3779b97f4a7c15
  v6:i64 = mul v4, v5
  v7:i64 = const #0xbf58476d1ce4e5b9
  v8:i64 = xor v6, v7
  set x1, v8
  v10:i64 = get x0
  v11:i64 = const #1
  v12:i64 = sub v10, v11
  set x0, v12
  v14:i64 = const #0
  v15:bool = icmp.ne v12, v14
  branch v15, block1, 0x2000
";
    let mut bench = Bench::new(harness::opts());
    let l = bench.compile(&text(unit)).expect("compiles");
    let l = bench.load(l);
    for (entry, mut x) in [(0, 0u64), (1, 77)] {
        let mut m = machine(1);
        m.set(slot("x0"), 5);
        m.set(slot("x1"), x.into());
        assert_eq!(bench.run_from(&l, entry, &mut m).0, Outcome::Direct(0x2000));
        for _ in 0..5 {
            x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xbf58_476d_1ce4_e5b9;
        }
        assert_eq!(m.get(slot("x1")), x.into());
    }
}

#[test]
fn many_entries_are_all_reached() {
    let mut s = String::new();
    for i in 0..9 {
        let pc = 0x1000 + 4 * i;
        s += &format!(
            "block{i} @{pc:#x} len 4 entry:\n  mark {pc:#x}\n  v{}:i64 = const #{i}\n",
            3 * i + 1
        );
        s += &format!("  set x3, v{}\n  goto 0x9000\n", 3 * i + 1);
    }
    let mut bench = Bench::new(harness::opts());
    let l = bench.compile(&text(&s)).expect("compiles");
    let l = bench.load(l);
    for i in 0..9 {
        let mut m = machine(1);
        let mut f = bench.frame(&m);
        assert_eq!(bench.enter(&l, &mut f, l.entry(i)), Outcome::Direct(0x9000));
        bench.registers_out(&f, &mut m);
        assert_eq!(m.get(slot("x3")), i as u128);
    }
}

#[test]
fn linked_exits_go_on_and_stop_when_asked() {
    let mut bench = Bench::new(harness::opts());
    let code = bench.compile(&text(LOOP)).expect("compiles");
    let first = bench.load(code.clone());
    let second = bench.load(code);
    let to = second.entry(2);
    first.link(0x2000, to);
    let mut m = machine(1);
    m.set(slot("x0"), 3);
    let mut f = bench.frame(&m);
    // first's loop, its exit, second's last block, second's own (unlinked) exit.
    assert_eq!(
        bench.enter(&first, &mut f, first.entry(0)),
        Outcome::Direct(0x2000)
    );
    f.header.stop.store(1, Ordering::SeqCst);
    assert_eq!(
        bench.enter(&first, &mut f, first.entry(0)),
        Outcome::Stop(0x1000)
    );
    assert_eq!(
        bench.enter(&first, &mut f, first.entry(1)),
        Outcome::Stop(0x1004)
    );
}

#[test]
fn an_indirect_branch_finds_the_jump_cache() {
    let mut bench = Bench::new(harness::opts());
    let there = bench.compile(&text(LOOP)).expect("compiles");
    let there = bench.load(there);
    let jump = "
block0 @0x500 len 4 entry:
  mark 0x500
  v1:i64 = get x7
  set x6, v1
  indirect.jump v1
";
    let jump = bench.compile(&text(jump)).expect("compiles");
    let jump = bench.load(jump);
    let run = |bench: &Bench, to: u64| {
        let mut m = machine(1);
        m.set(slot("x0"), 2);
        m.set(slot("x7"), to.into());
        let mut f = bench.frame(&m);
        bench.enter(&jump, &mut f, jump.entry(0))
    };
    assert_eq!(run(&bench, 0x1004), Outcome::Lookup(0x1004));
    // No address hits an empty entry.
    for to in [0, u64::MAX, u64::MAX - 3] {
        assert_eq!(run(&bench, to), Outcome::Lookup(to));
    }
    let e: &JumpEntry = &bench.jump_cache[(0x1004 >> 2) & (JUMP_ENTRIES - 1)];
    e.code.store(there.entry(1), Ordering::SeqCst);
    e.pc.store(0x1004, Ordering::SeqCst);
    assert_eq!(run(&bench, 0x1004), Outcome::Direct(0x2000));
    assert_eq!(
        run(&bench, 0x1004 + 4 * JUMP_ENTRIES as u64),
        Outcome::Lookup(0x1004 + 4 * JUMP_ENTRIES as u64)
    );
    // Displaced to the second half.
    e.pc.store(0x1004 + 4 * JUMP_ENTRIES as u64, Ordering::SeqCst);
    assert_eq!(run(&bench, 0x1004), Outcome::Lookup(0x1004));
    let e = &bench.jump_cache[JUMP_ENTRIES + second_index(0x1004)];
    e.code.store(there.entry(1), Ordering::SeqCst);
    e.pc.store(0x1004, Ordering::SeqCst);
    assert_eq!(run(&bench, 0x1004), Outcome::Direct(0x2000));
}

#[test]
fn the_trampoline_keeps_mxcsr_apart() {
    let mut bench = Bench::new(harness::opts());
    let unit = "
block0 @0x500 len 4 entry:
  mark 0x500
  v1:f64 = const #0x3ff0000000000000
  v2:i64 = get x0
  v3:f64 = bitcast v2
  v4:f64 = fdiv v1, v3
  v5:i64 = bitcast v4
  set x1, v5
  goto 0x600
";
    let l = bench.compile(&text(unit)).expect("compiles");
    let l = bench.load(l);
    let mut m = machine(1);
    m.set(slot("x0"), 3f64.to_bits().into());
    let (_, mxcsr) = bench.run(&l, &mut m);
    assert_eq!(m.get(slot("x1")), (1f64 / 3.0).to_bits().into());
    let sticky = m.fp.fpsr & 0x1f;
    assert!(
        mxcsr & 0x20 != 0 || sticky == 0x10,
        "inexact, in hardware or software"
    );
}

/// A NaN leaves the unit at its guest instruction with everything before it done and nothing of it.
#[test]
fn a_nan_is_left_to_the_interpreter() {
    let unit = "
block0 @0x500 len 12 entry:
  mark 0x500
  v1:i64 = const #7
  set x1, v1
  v3:v128 = get v0
  set v2, v3
  mark 0x504
  v6:v128 = get v1
  v7:v128 = vbin.fadd.s4 v3, v6
  set v0, v7
  mark 0x508
  v10:v128 = vbin.fmul.s4 v7, v6
  set v0, v10
  set x1, v1
  goto 0x600
";
    let mut bench = Bench::new(CompileOpts::default());
    let l = bench.compile(&text(unit)).expect("compiles");
    let l = bench.load(l);
    let one = 0x3f80_0000_3f80_0000_3f80_0000_3f80_0000u128;
    let (nan, inf) = (0x7fc0_0001u128 << 64, 0x7f80_0000u128 << 32);
    // 1 + x times x.
    for (x, want, left) in [
        (one, one << 1, Outcome::Direct(0x600)),
        (nan, one, Outcome::Fault(0x504)),
        (inf, 0, Outcome::Direct(0x600)),
    ] {
        let mut m = machine(1);
        m.set(slot("v0"), one);
        m.set(slot("v1"), x);
        let (out, _) = bench.run(&l, &mut m);
        assert_eq!((out, m.get(slot("x1")), m.get(slot("v2"))), (left, 7, one));
        if x == nan {
            assert_eq!(m.get(slot("v0")), want);
        }
    }
}

/// Checks are put off over loads and further operations, but not over a store; who leaves meanwhile, for a NaN or a fault, leaves where
/// the first unchecked operation is, with the slots as they were there.
#[test]
fn deferred_checks_restart_where_the_chain_began() {
    let unit = "
block0 @0x500 len 20 entry:
  mark 0x500
  v1:v128 = get v0
  v2:f64 = vlane.d1 v1, #0
  v3:f64 = fmul v2, v2
  v4:v128 = vscalar.d1 v3
  set v1, v4
  mark 0x504
  v7:i64 = get x0
  v8:v128 = load.64 v7
  set v2, v8
  mark 0x508
  v11:f64 = vlane.d1 v8, #0
  v12:f64 = fadd v11, v3
  v13:v128 = vscalar.d1 v12
  set v0, v13
  mark 0x50c
  v16:i64 = get x1
  store.64 v16, v13
  mark 0x510
  v19:f64 = fsub v11, v12
  v20:v128 = vscalar.d1 v19
  set v1, v20
  goto 0x600
";
    let mut bench = Bench::new(CompileOpts::default());
    let l = bench.compile(&text(unit)).expect("compiles");
    let l = bench.load(l);
    let (two, inf) = (2f64.to_bits(), f64::INFINITY.to_bits());
    let (nan, old) = (0x7ff8_0000_0000_0007u64, 0x1111u64);
    let nowhere = 16;
    // The factor, what is loaded, where from: 2 * 2 + y, y - (2 * 2 + y).
    for (x, y, from, left, stored) in [
        (two, two, WINDOW, Outcome::Direct(0x600), 6f64.to_bits()),
        (nan, two, WINDOW, Outcome::Fault(0x500), old),
        (two, nan, WINDOW, Outcome::Fault(0x500), old),
        (two, two, nowhere, Outcome::Fault(0x500), old),
        (two, inf, WINDOW, Outcome::Fault(0x510), inf),
    ] {
        let mut m = machine(1);
        m.set(slot("v0"), x.into());
        for (s, v) in [("v1", 0xaau128 << 64), ("v2", 0xbbu128 << 64)] {
            m.set(slot(s), v);
        }
        m.set(slot("x0"), from.into());
        m.set(slot("x1"), (WINDOW + 8).into());
        let (base, bytes, _) = m.memory.pieces.last_mut().expect("the window's page");
        let at = (WINDOW - *base) as usize;
        bytes[at..at + 8].copy_from_slice(&y.to_le_bytes());
        bytes[at + 8..at + 16].copy_from_slice(&old.to_le_bytes());
        let (out, _) = bench.run(&l, &mut m);
        assert_eq!(out, left, "{x:x} {y:x}");
        let bytes = &m.memory.pieces.last().expect("the window's page").1;
        assert_eq!(bytes[at + 8..at + 16], stored.to_le_bytes());
        let (v0, v1, v2) = (m.get(slot("v0")), m.get(slot("v1")), m.get(slot("v2")));
        match left {
            Outcome::Fault(0x500) => {
                assert_eq!((v0, v1, v2), (x.into(), 0xaa << 64, 0xbb << 64));
            }
            Outcome::Fault(_) => {
                assert_eq!((v0, v1, v2), (inf.into(), 4f64.to_bits().into(), y.into()))
            }
            _ => assert_eq!(v1, (-4f64).to_bits().into()),
        }
    }
}

/// Loads and the store that follows share a pad: at a fault in any of them the registers are those of before the first. A second store
/// of an instruction has one of its own, behind which the loads are not done again.
#[test]
fn accesses_share_a_pad_up_to_a_store() {
    let unit = "
block0 @0x500 len 24 entry:
  mark 0x500
  v1:i64 = get x0
  v2:i64 = load.64 v1
  set x4, v2
  mark 0x504
  v5:i64 = get x1
  v6:i64 = load.64 v5
  set x5, v6
  mark 0x508
  v9:i64 = add v2, v6
  set x4, v9
  mark 0x50c
  v12:i64 = get x2
  store.64 v12, v9
  mark 0x510
  v15:i64 = get x3
  v16:i64 = load.64 v15
  set x5, v16
  mark 0x514
  store.64 v12, v16
  store.64 v5, v16
  goto 0x600
";
    let mut bench = Bench::new(CompileOpts::default());
    let l = bench.compile(&text(unit)).expect("compiles");
    let landings: HashSet<u64> = l.faults.iter().map(|f| f.guest_pc).collect();
    assert_eq!(
        landings,
        HashSet::from([0x500, 0x510, 0x514]),
        "{}",
        l.listing()
    );
    let l = bench.load(l);
    let nowhere = 16;
    let (one, two) = (WINDOW, WINDOW + 8);
    for (x0, x1, x2, x3, left) in [
        (one, one, two, two, Outcome::Direct(0x600)),
        (nowhere, one, two, two, Outcome::Fault(0x500)),
        (one, nowhere, two, two, Outcome::Fault(0x500)),
        (one, one, nowhere, two, Outcome::Fault(0x500)),
        (one, one, two, nowhere, Outcome::Fault(0x510)),
    ] {
        let mut m = machine(1);
        for (n, v) in [x0, x1, x2, x3, 44, 55].into_iter().enumerate() {
            m.set(slot(&format!("x{n}")), v.into());
        }
        let (base, bytes, _) = m.memory.pieces.last_mut().expect("the window's page");
        let at = (WINDOW - *base) as usize;
        bytes[at..at + 8].copy_from_slice(&7u64.to_le_bytes());
        bytes[at + 8..at + 16].copy_from_slice(&8u64.to_le_bytes());
        assert_eq!(bench.run(&l, &mut m).0, left);
        let bytes = &m.memory.pieces.last().expect("the window's page").1;
        let (x4, x5, stored) = (m.get(slot("x4")), m.get(slot("x5")), bytes[at + 8]);
        match left {
            Outcome::Fault(0x500) => assert_eq!((x4, x5, stored), (44, 55, 8)),
            Outcome::Fault(_) => assert_eq!((x4, x5, stored), (14, 7, 14)),
            _ => assert_eq!((x4, x5, bytes[at]), (14, 14, 14)),
        }
    }
}

/// A vector register that every way leaves a scalar is one where they meet; if one way leaves it a vector, all of it is there.
#[test]
fn a_vector_is_whole_where_scalars_and_vectors_meet() {
    let unit = |other: &str| {
        text(&format!(
            "
block0 @0x500 len 4 entry:
  mark 0x500
  v1:i64 = get x0
  v2:i64 = const #0
  v3:bool = icmp.eq v1, v2
  branch v3, block1, block2
block1 @0x504 len 4:
  mark 0x504
  v5:i64 = get x1
  v6:v128 = load.64 v5
  set v1, v6
  goto block3
block2 @0x508 len 4:
  mark 0x508
  v9:v128 = get v0
{other}
  goto block3
block3 @0x50c len 4:
  mark 0x50c
  v14:v128 = get v1
  v15:f64 = vlane.d1 v14, #0
  v16:f64 = fadd v15, v15
  v17:v128 = vscalar.d1 v16
  set v2, v17
  goto 0x600
"
        ))
    };
    let scalar = "  v10:f64 = vlane.d1 v9, #1\n  v11:v128 = vscalar.d1 v10\n  set v1, v11\n  nop";
    let vector = "  nop\n  nop\n  set v1, v9\n  nop";
    let (two, three) = (2f64.to_bits(), 3f64.to_bits());
    let whole = u128::from(three) << 64 | u128::from(two);
    let mut bench = Bench::new(CompileOpts::default());
    for (other, want) in [(scalar, u128::from(three)), (vector, whole)] {
        let l = bench.compile(&unit(other)).expect("compiles");
        let l = bench.load(l);
        for (x0, v1) in [(0, 7f64.to_bits().into()), (1, want)] {
            let mut m = machine(1);
            m.set(slot("v0"), whole);
            m.set(slot("x0"), x0);
            m.set(slot("x1"), WINDOW.into());
            let (base, bytes, _) = m.memory.pieces.last_mut().expect("the window's page");
            let at = (WINDOW - *base) as usize;
            bytes[at..at + 8].copy_from_slice(&7f64.to_le_bytes());
            assert_eq!(bench.run(&l, &mut m).0, Outcome::Direct(0x600));
            let twice = 2.0 * f64::from_bits(v1 as u64);
            assert_eq!(
                (m.get(slot("v1")), m.get(slot("v2"))),
                (v1, twice.to_bits().into())
            );
        }
    }
}

/// Flags that were read before others were set, and are set again, have the kind that they had.
#[test]
fn flags_put_back_are_the_old_ones() {
    let unit = "
block0 @0x500 len 8 entry:
  mark 0x500
  v1:flags = get nzcv
  v2:i64 = get x1
  v3:i64 = get x2
  v4:flags = flags.sub v2, v3
  set nzcv, v4
  mark 0x504
  v7:i64 = get x3
  v8:i64 = load.64 v7
  set x4, v8
  set nzcv, v1
  goto block1
block1 @0x508 len 4:
  mark 0x508
  v12:flags = get nzcv
  v13:i32 = flags.unpack v12
  v14:i64 = zext v13
  set x0, v14
  goto 0x600
";
    let mut bench = Bench::new(harness::opts());
    let l = bench.compile(&text(unit)).expect("compiles");
    let l = bench.load(l);
    for nzcv in (0..16u64).map(|n| n << 28) {
        let mut m = machine(1);
        m.set(slot("nzcv"), nzcv.into());
        m.set(slot("x3"), WINDOW.into());
        assert_eq!(bench.run(&l, &mut m).0, Outcome::Direct(0x600));
        assert_eq!(m.get(slot("x0")), nzcv.into());
    }
}
