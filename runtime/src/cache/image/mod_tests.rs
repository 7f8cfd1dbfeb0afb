//! Which texts traces are let into. Images are opened as a process does, but their code is never entered.

use super::draft::{Draft, Place};
use super::format::Piece;
use super::*;
use crate::cache::unit::Tier;
use smallvec::smallvec;
use std::path::PathBuf;

#[test]
fn this_build_can_be_told_from_others() {
    let id = build_id().expect("the linker was asked for an identification");
    assert_ne!(id, [0; 20]);
}

const LEN: u64 = 0x10_0000;

/// A process's images, in a folder that goes with them.
struct Process {
    images: Images,
    path: PathBuf,
}

impl Process {
    fn new(name: &str) -> Process {
        let path = std::env::temp_dir().join(format!("metaphrase-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let folder = Folder::open(&path, 1 << 24).expect("a folder");
        Process {
            images: Images::new(Some(Arc::new(folder)), &()),
            path,
        }
    }

    /// Writes the image of a text with a trace that goes through 16 bytes at `at`, in another text.
    fn write(&self, text: &Text, other: &Text, at: u64) {
        let place = Place {
            key: self.images.key(text),
            guest: text.guest.clone(),
            window: text.window.start..text.window.end - COUNTERS,
            counters: text.window.end - COUNTERS,
            most: 10,
        };
        let pc = text.guest.start;
        let trace = Piece {
            tier: Tier::Trace,
            code: &[0xcc; 32],
            slots: smallvec![pc, at],
            noted: false,
            guards: 1,
            foreign: smallvec![Foreign::new(self.images.key(other), &other.guest).unwrap()],
            cells: smallvec![],
            entries: smallvec![(pc, 0)],
            ranges: smallvec![(pc, pc + 4), (at, at + 16)],
            faults: smallvec![],
            relocs: &[],
            insns: 5,
            loops: false,
            overlooks: false,
            rebuilds: 0,
            runs: 0,
        };
        let mut d = Draft::new(place, 1, &[]);
        d.add(&trace).expect("room");
        let folder = self.images.folder.as_ref().unwrap();
        let parts = d.finish().expect("not too large");
        folder.write(name(self.images.key(text)), &parts).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Number `n` of all texts of these tests: images stay mapped.
fn text(n: u64) -> Text {
    let (guest, window) = (0x3000_0000_0000 + n * LEN, 0x5100_0000_0000 + (n << 28));
    Text {
        guest: guest..guest + LEN,
        identity: n.into(),
        window: window..window + (1 << 28),
    }
}

/// Whether the image's trace is let into the other text, and whether it never was.
fn way(i: &Image) -> (bool, bool) {
    let u = &i.view.units[0];
    (i.armed(u), i.never_armed(u))
}

const BARRED: (bool, bool) = (false, true);
const OPEN: (bool, bool) = (true, false);
const CUT: (bool, bool) = (false, false);

#[test]
fn traces_are_let_into_a_text_while_it_is_as_it_was() {
    let p = Process::new("way");
    let (a, b, c) = (text(0), text(1), text(2));
    let at = b.guest.start + 0x8000;
    p.write(&a, &b, at);
    p.write(&c, &b, at);
    let first = p.images.map(a.clone()).expect("an image");
    assert_eq!(way(first), BARRED);
    p.images.map(b.clone());
    assert_eq!(way(first), OPEN);
    // Whichever comes first.
    let second = p.images.map(c.clone()).expect("an image");
    assert_eq!(way(second), OPEN);
    // What lies behind is not needed.
    let changed = p.images.changed(at + 16, b.guest.end);
    assert!(!changed.disarmed && changed.closed.is_empty());
    assert_eq!((way(first), way(second)), (OPEN, OPEN));
    let changed = p.images.changed(at + 15, at + 16);
    assert!(changed.disarmed && changed.closed.is_empty());
    assert_eq!((way(first), way(second)), (CUT, CUT));
    // The same again at the same place is not taken for what it was.
    p.images.map(b);
    assert_eq!((way(first), way(second)), (CUT, CUT));
}

#[test]
fn traces_are_not_let_into_another_text() {
    let p = Process::new("no-way");
    let b = text(11);
    let at = b.guest.start;
    let other = Text {
        identity: 99,
        ..b.clone()
    };
    let elsewhere = Text {
        identity: b.identity,
        ..text(12)
    };
    for (n, present) in [(13, other), (14, elsewhere)] {
        p.write(&text(n), &b, at);
        p.images.map(present.clone());
        let image = p.images.map(text(n)).expect("an image");
        assert_eq!(way(image), BARRED, "{present:?}");
    }
    // It was cut short before the image was opened.
    let (c, d) = (text(15), text(16));
    p.write(&c, &d, d.guest.end - 16);
    p.images.map(d.clone());
    p.images.changed(d.guest.end - 4096, d.guest.end);
    let image = p.images.map(c).expect("an image");
    assert_eq!(way(image), BARRED);
}

#[test]
fn ways_into_other_texts_are_told_from_others() {
    let p = Process::new("borders");
    let [a, b, c] = [21, 22, 23].map(text);
    for t in [&a, &b, &c] {
        p.images.map(t.clone());
    }
    let [a, b, c] = [a, b, c].map(|t| t.guest.start);
    let of = |pcs: &[u64]| p.images.borders(pcs);
    assert_eq!(of(&[a, a + 8, a + 4]), [false; 3]);
    // There and back, and from there on to a third.
    assert_eq!(of(&[a, b, b + 4, a + 4]), [false, true, false, false]);
    assert_eq!(of(&[a, b, c, b + 4]), [false, true, true, true]);
    // Something that is no file's.
    assert_eq!(of(&[a, b, c + LEN]), [false; 3]);
}
