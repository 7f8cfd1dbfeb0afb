//! What running costs, in steady state, by kind of work and by what executes it; and what cold code costs. Every guest is a few instructions whose
//! loop count is in X0; the time is per round of that loop (or per instruction where the name says so).

mod guest;

use criterion::{BenchmarkId, Criterion, Throughput};
use guest::{Small, Tier};

const ROUNDS: u64 = 10_000;

const SVC_0: u32 = 0xd400_0001;
const SVC_1: u32 = 0xd400_0021;
const SUBS_X0_X0_1: u32 = 0xf100_0400;

/// `body`, then `subs x0, x0, #1; b.ne start; svc #1`.
fn looped(body: &[u32]) -> Vec<u32> {
    let mut words = body.to_vec();
    words.push(SUBS_X0_X0_1);
    let back = -(words.len() as i32) as u32 & 0x7ffff;
    words.push(0x5400_0001 | back << 5);
    words.push(SVC_1);
    words
}

/// A loop of `body`, X0 times, in each tier; `x`: the registers after X0.
fn measure(c: &mut Criterion, name: &str, body: &[u32], x: &[u64]) {
    let mut g = c.benchmark_group(name);
    g.throughput(Throughput::Elements(ROUNDS));
    let registers: Vec<u64> = [ROUNDS].into_iter().chain(x.iter().copied()).collect();
    for (name, tier) in Tier::ALL {
        let mut small = Small::new(looped(body), tier);
        small.run(&registers);
        g.bench_function(name, |b| b.iter(|| small.run(&registers)));
    }
    g.finish();
}

fn integer(c: &mut Criterion) {
    let body = [
        0xca41_3021, // eor x1, x1, x1, lsr #12
        0xca01_6421, // eor x1, x1, x1, lsl #25
        0xca41_6c21, // eor x1, x1, x1, lsr #27
        0x9b02_7c23, // mul x3, x1, x2
        0x8b03_0084, // add x4, x4, x3
    ];
    measure(
        c,
        "integer (7 instructions)",
        &body,
        &[1, 0x2545_f491_4f6c_dd1d],
    );
}

fn syscall(c: &mut Criterion) {
    measure(c, "syscall", &[SVC_0], &[]);
}

fn fault(c: &mut Criterion) {
    // ldr x2, [x1] of a page that nobody may map
    measure(c, "fault", &[0xf940_0022], &[16]);
}

/// Direct branches through blocks in an order that no fall-through helps.
fn dispatch(c: &mut Criterion) {
    const BLOCKS: usize = 64;
    // Block k is at 2k: add x1, x1, #1; b to block (k + 27) mod 64, which visits all; block 37, the last, ends the round.
    let mut body = Vec::new();
    for k in 0..BLOCKS {
        let (here, next) = (2 * k as i32 + 1, 2 * ((k + 27) % BLOCKS) as i32);
        let next = if (k + 27) % BLOCKS == 0 {
            2 * BLOCKS as i32
        } else {
            next
        };
        body.push(0x9100_0421);
        body.push(0x1400_0000 | (next - here) as u32 & 0x3ff_ffff);
    }
    measure(c, "dispatch (64 blocks)", &body, &[0]);
}

fn indirect(c: &mut Criterion) {
    const TARGETS: u64 = 16;
    // Round: and x3, x0, #15; ldr x4, [x1, x3, lsl #3]; br x4. Sixteen targets, each: subs x0, x0, #1; b.ne round; svc #1.
    let mut words = vec![0x9240_0c03, 0xf863_7824, 0xd61f_0080];
    for t in 0..TARGETS {
        let branch = 3 + 3 * t as i32 + 1;
        words.extend([
            SUBS_X0_X0_1,
            0x5400_0001 | ((-branch) as u32 & 0x7ffff) << 5,
            SVC_1,
        ]);
    }
    let mut g = c.benchmark_group("indirect branch");
    g.throughput(Throughput::Elements(ROUNDS));
    for (name, tier) in Tier::ALL {
        let mut small = Small::new(words.clone(), tier);
        let table: Vec<u64> = (0..TARGETS).map(|t| small.address(3 + 3 * t)).collect();
        let registers = [ROUNDS, table.as_ptr() as u64];
        small.run(&registers);
        g.bench_function(name, |b| b.iter(|| small.run(&registers)));
    }
    g.finish();
}

fn copy(c: &mut Criterion) {
    const BYTES: usize = 64 << 10;
    // Both: copy 32 bytes; subs x0, x0, #32; b.ne; svc #1.
    let pairs = [
        0xa8c1_1023,
        0xa8c1_1825,
        0xa881_1043,
        0xa881_1845,
        0xf100_8000,
        0x54ff_ff61,
        SVC_1,
    ]; // ldp, ldp, stp, stp
    let vectors = [0xacc1_0420, 0xac81_0440, 0xf100_8000, 0x54ff_ffa1, SVC_1]; // ldp q0, q1; stp q0, q1
    let from = vec![1u8; BYTES];
    let mut to = vec![0u8; BYTES];
    let mut g = c.benchmark_group("memory copy");
    g.throughput(Throughput::Bytes(BYTES as u64));
    for (name, tier) in Tier::ALL {
        for (how, words) in [("pairs", &pairs[..]), ("vectors", &vectors[..])] {
            let mut small = Small::new(words.to_vec(), tier);
            let registers = [BYTES as u64, from.as_ptr() as u64, to.as_mut_ptr() as u64];
            small.run(&registers);
            g.bench_function(BenchmarkId::new(how, name), |b| {
                b.iter(|| small.run(&registers))
            });
        }
    }
    g.finish();
    assert_eq!(from, to);
}

/// Code executed once: fetched, translated, built and run in tier 0. The time is for an engine's start and 10,000 instructions.
fn cold(c: &mut Criterion) {
    let mut words = Vec::new();
    for _ in 0..1000 {
        // Nine additions and a branch to the next.
        words.extend([0x8b03_0084; 9]);
        words.push(0x1400_0001);
    }
    words.push(SVC_1);
    let mut g = c.benchmark_group("cold");
    g.sample_size(20);
    g.throughput(Throughput::Elements(words.len() as u64));
    g.bench_function("start", |b| {
        b.iter(|| Small::new(vec![SVC_1], Tier::Interpreter).run(&[]))
    });
    g.bench_function("start and 10000 instructions", |b| {
        b.iter(|| Small::new(words.clone(), Tier::Interpreter).run(&[]))
    });
    g.finish();
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    integer(&mut c);
    dispatch(&mut c);
    indirect(&mut c);
    syscall(&mut c);
    fault(&mut c);
    copy(&mut c);
    cold(&mut c);
    c.final_summary();
}
