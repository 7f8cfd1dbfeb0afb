//! Images as they are made and looked at.

use super::*;
use crate::cache::image::format::View;
use metaphrase_backend::emit::FaultSite;
use smallvec::smallvec;

const GUEST: u64 = 0x3000_0000_0000;
const WINDOW: u64 = 0x5000_0000_0000;
const KEY: [u64; 2] = [1, 2];

fn place(room: u64) -> Place {
    Place {
        key: KEY,
        guest: GUEST..GUEST + 0x1000,
        window: WINDOW..WINDOW + room,
        counters: WINDOW + 0x10_0000,
        most: 10,
    }
}

/// Of the block at `pc`, which goes to `to`.
fn piece<'a>(code: &'a [u8], relocs: &'a [Field], pc: u64, to: u64) -> Piece<'a> {
    Piece {
        tier: Tier::Baseline,
        code,
        slots: smallvec![to, NOTES[0] + 70, NOTES[1] + 70],
        noted: true,
        guards: 0,
        foreign: smallvec![],
        cells: smallvec![pc],
        entries: smallvec![(pc, 4)],
        ranges: smallvec![(pc, pc + 8)],
        faults: smallvec![FaultSite {
            access_offset: 6,
            landing_offset: 9,
            guest_pc: pc + 4
        }],
        relocs,
        insns: 2,
        loops: false,
        overlooks: false,
        rebuilds: 0,
        runs: 7,
    }
}

fn file(d: &mut Draft) -> Vec<u8> {
    d.finish().expect("not too large").concat()
}

fn word(b: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(b[at..at + 8].try_into().expect("eight bytes"))
}

#[test]
fn what_is_put_into_an_image_is_found_in_it() {
    let code = [0x90; 20];
    let relocs = [
        Field { at: 0, addend: 12 },
        Field {
            at: 12 | COUNTER,
            addend: -5,
        },
    ];
    let mut d = Draft::new(place(0x10_0000), 2, &[0xcc; 8]);
    let (a, b) = (GUEST + 0x100, GUEST + 0x200);
    d.add(&piece(&code, &relocs, a, b)).expect("room");
    d.add(&piece(&code, &relocs, b, GUEST + 0x300))
        .expect("room");
    let better = Piece {
        tier: Tier::Trace,
        loops: true,
        overlooks: true,
        ..piece(&code, &relocs, b, a)
    };
    d.add(&better).expect("room");
    let bytes = file(&mut d);
    let v = View::of(&bytes, KEY).expect("an image");
    assert_eq!(
        (v.units.len(), v.header.insns, v.header.guest_len),
        (3, 6, 0x208)
    );
    assert_eq!(v.header.thunk, 8);
    let e = v.find(a).expect("an entry");
    assert_eq!((e.unit, e.code), (0, v.units[0].code + 4));
    let e = v.find(b).expect("the trace");
    assert_eq!((e.unit, e.code), (2, v.units[2].code + 4));
    assert!(v.find(a + 4).is_none() && v.find(0).is_none() && v.find(u64::MAX).is_none());
    // The first unit's exit is linked to the best code, the second's to nothing.
    let (code_at, slots_at) = v.mapped();
    let slot = |n: usize| word(&bytes, slots_at.start + n * 16);
    assert_eq!(slot(0), WINDOW + e.code as u64);
    assert_eq!(slot(4), WINDOW);
    assert_eq!(slot(3), 0, "a cell");
    assert_eq!(v.leading_to(b), [0]);
    assert_eq!(v.leading_to(a), [8]);
    let notes: Vec<u64> = (1..3)
        .map(|n| word(&bytes, slots_at.start + n * 16 + 8))
        .collect();
    assert_eq!(notes, NOTES);
    // Fields: slots lie behind the code, the second unit's counter behind the first's.
    let u = v.units[1].code as usize;
    let field =
        |at: usize| i32::from_le_bytes(v.code[u + at..][..4].try_into().expect("four")) as i64;
    let own_slots = (code_at.len() + 4 * 16) as i64;
    assert_eq!(field(0), own_slots + 12 - u as i64);
    assert_eq!(field(12), 0x10_0000 + 2 - 5 - (u as i64 + 12));
    assert_eq!(v.fault(u as u32 + 6), Some((u as u32 + 9, b + 4)));
    assert_eq!(v.fault(u as u32 + 5), None);
    let first = v.shared().start;
    assert_eq!(word(&bytes, first), 7 << 32 | 7);

    // From one image to the next.
    let p = v.piece(2).expect("a unit");
    assert!(p.loops && p.noted && p.overlooks && p.tier == Tier::Trace);
    let mut d = Draft::new(place(0x10_0000), 1, &[]);
    d.add(&p).expect("room");
    let again = file(&mut d);
    let v = View::of(&again, KEY).expect("an image");
    assert_eq!(v.find(b).map(|e| e.unit), Some(0));
    assert_eq!(v.ranges(&v.units[0]).collect::<Vec<_>>(), [(b, b + 8)]);
    assert_eq!(v.entries(&v.units[0]).count(), 1);
    assert_eq!(v.header.thunk, 0);
}

#[test]
fn what_does_not_fit_or_belong_is_left_out() {
    let code = [0x90; 5000];
    let mut d = Draft::new(place(0x8000), 1, &[]);
    let elsewhere = piece(&code, &[], GUEST - 4, GUEST);
    assert_eq!(d.add(&elsewhere), None);
    let fits = (0..10).take_while(|n| d.add(&piece(&code, &[], GUEST + n * 8, GUEST)).is_some());
    assert_eq!(fits.count(), 4);
    let bytes = file(&mut d);
    assert!(View::of(&bytes, KEY).is_some_and(|v| v.units.len() == 4));
    assert!(View::of(&bytes, [1, 3]).is_none());
    assert!(
        (0..bytes.len())
            .step_by(97)
            .all(|n| View::of(&bytes[..n], KEY).is_none())
    );
    // Tables that point out of the file.
    for at in (104..size_of::<Header>()).step_by(4) {
        let mut bad = bytes.clone();
        bad[at + 3] = 0x7f;
        assert!(View::of(&bad, KEY).is_none(), "{at}");
    }
}

/// A text into which traces reach.
fn other(guest: u64, len: u64) -> Foreign {
    Foreign::new([8, guest], &(guest..guest + len)).expect("not too large")
}

/// A trace of blocks at `pc`, in another text, and at `pc` + 8.
fn across<'a>(code: &'a [u8], relocs: &'a [Field], pc: u64, f: Foreign, at: u64) -> Piece<'a> {
    let fault = |n: u32, guest_pc| FaultSite {
        access_offset: n,
        landing_offset: 9,
        guest_pc,
    };
    Piece {
        tier: Tier::Trace,
        slots: smallvec![pc + 16, at],
        noted: false,
        guards: 1,
        foreign: smallvec![f],
        ranges: smallvec![(pc, pc + 8), (at, at + 12), (pc + 8, pc + 16)],
        faults: smallvec![fault(1, pc), fault(2, at + 8), fault(3, pc + 8)],
        ..piece(code, relocs, pc, at)
    }
}

#[test]
fn traces_reach_into_other_texts() {
    let code = [0x90; 20];
    let (near, far) = (other(GUEST + 0x1000, 0x2000), other(0x40_0000, 0x80_0000));
    let last = far.guest + 0x7f_fff4;
    let all = [
        across(&code, &[], GUEST + 0x100, near, near.guest),
        across(&code, &[], GUEST + 0x200, far, last),
        across(&code, &[], GUEST + 0x300, near, near.guest + 0x40),
    ];
    let mut d = Draft::new(place(0x10_0000), 3, &[]);
    for p in &all {
        d.add(p).expect("room");
    }
    // Twice: as made, and from one image to the next.
    for _ in 0..2 {
        let bytes = file(&mut d);
        let v = View::of(&bytes, KEY).expect("an image");
        assert_eq!(v.header.guest_len, 0x310, "of the text itself");
        let needed: Vec<_> = v.foreign.iter().map(|f| (f.key, f.needed())).collect();
        let near = (near.key, near.guest..near.guest + 0x4c);
        assert_eq!(needed, [near, (far.key, far.guest..last + 12)]);
        let rows = |g: &Guard| (g.slot, g.foreign);
        let guards: Vec<_> = v.guards.iter().map(rows).collect();
        assert_eq!(guards, [(1, 0), (4, 1), (7, 0)]);
        let (_, slots) = v.mapped();
        for (n, p) in all.iter().enumerate() {
            let (u, at) = (&v.units[n], p.slots[1]);
            assert_eq!(u.guards(), n * 3 + 1..n * 3 + 2);
            assert_eq!(v.expected(n as u32 * 3 + 1), Some(at));
            // Nobody branches there, and nobody is linked there.
            assert_eq!(word(&bytes, slots.start + (n * 3 + 1) * 16 + 8), !at);
            assert!(v.leading_to(at).is_empty() && v.leading_to(!at).is_empty());
            assert_eq!(v.ranges(u).collect::<Vec<_>>(), p.ranges.to_vec());
            for f in &p.faults {
                let site = v.fault(u.code + f.access_offset);
                assert_eq!(site, Some((u.code + 9, f.guest_pc)));
            }
        }
        d = Draft::new(place(0x10_0000), 3, &[]);
        for (n, made) in all.iter().enumerate() {
            let p = v.piece(n).expect("a unit");
            assert_eq!((p.guards, &p.slots), (1, &made.slots));
            d.add(&p).expect("room");
        }
    }
    // A guard of no way into another text, a block in none.
    let guard = Piece {
        slots: smallvec![GUEST, GUEST + 4],
        ..all[0].clone()
    };
    let block = Piece {
        foreign: smallvec![far],
        ..all[0].clone()
    };
    assert_eq!((d.add(&guard), d.add(&block)), (None, None));
}
