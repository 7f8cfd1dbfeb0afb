//! The arithmetic of slots and windows, and which files and requests count. Files are made here and dated by waiting or by their kind.

use super::*;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};

const MIB: u64 = 1 << 20;

/// Guest addresses in a slot.
fn at(slot: u64, offset: u64, len: u64) -> Range<u64> {
    let start = LIBRARIES.start + slot * SLOT + offset;
    start..start + len
}

#[test]
fn slots_are_32_mib_and_their_windows_256() {
    assert_eq!((SLOTS, SLOT_WINDOW), (16384, 256 * MIB));
    let window = |r: Range<u64>| window_of(&slots_of(&r)?);
    let of = |slot: u64, n: u64| {
        let start = 0x5080_0000_0000 + slot * 256 * MIB;
        Some(start..start + n * 256 * MIB)
    };
    assert_eq!(window(at(0, 0, 1)), of(0, 1));
    assert_eq!(window(at(5, 0, SLOT)), of(5, 1));
    assert_eq!(window(at(5, 4096, SLOT)), of(5, 2));
    assert_eq!(window(at(SLOTS - 1, 0, SLOT)), of(SLOTS - 1, 1));
    assert_eq!(window(at(9, 0, 7 * SLOT)), of(9, 7));
    assert_eq!(window(at(9, 0, 7 * SLOT + 1)), None, "2 GiB");
    assert_eq!(window(at(SLOTS - 1, 0, SLOT + 1)), None, "beyond the zone");
    assert_eq!(window(0x6fff_0000_0000..0x6fff_0000_1000), None);
    assert_eq!(window(0x2fff_ffff_f000..0x3000_0000_1000), None);
}

#[test]
fn preferences_stay_inside() {
    for hash in [0, 1, SLOTS - 1, SLOTS, u64::MAX] {
        for len in [1, SLOT, SLOT + 1, 100 * SLOT, SLOTS * SLOT] {
            let all: Vec<u64> = Preference(hash).starts(len).collect();
            assert_eq!(all, Preference(hash).starts(len).collect::<Vec<_>>());
            assert!(!all.is_empty());
            for a in all {
                assert!(a.is_multiple_of(COLOUR) && LIBRARIES.contains(&a));
                let inside = a % SLOT + len <= len.next_multiple_of(SLOT);
                assert!(inside, "no slot more than needed: {hash:#x} {len:#x}");
                assert!(a + len <= LIBRARIES.end, "{hash:#x} {len:#x}");
            }
        }
    }
    let slots = Preference(3)
        .starts(MIB)
        .map(|a| (a - LIBRARIES.start) / SLOT);
    assert_eq!(slots.collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
    assert_eq!(Preference(3).starts(SLOTS * SLOT + 1).count(), 0);
    assert_eq!(Preference(3).starts(0).count(), 0);
}

#[test]
fn a_window_is_given_away_once() {
    let p = Places::new(0);
    assert!(p.take(3..5));
    assert!(!p.take(4..6) && !p.take(3..4));
    assert!(p.take(6..7) && p.take(SLOTS - 1..SLOTS));
}

#[test]
fn ranges_that_may_be_text() {
    let mut p = Places::new(0);
    p.program = 0x40_0000..0x50_0000;
    for (r, yes) in [
        (0x4f_f000..0x51_0000, true),
        (0x50_0000..0x51_0000, false),
        (at(7, 0, 4096), true),
        (0x2fff_ffff_f000..0x3000_0000_0000, false),
        (0x3080_0000_0000..0x3080_0000_1000, false),
    ] {
        assert_eq!(p.touches(&r), yes, "{r:x?}");
    }
}

#[test]
fn what_may_still_change_has_no_identity() {
    assert!(settled(0, 2_000_000_000) && !settled(1, 2_000_000_000));
    assert!(!settled(5, 4), "a time to come");
    let text = |f: &File| Places::new(0).library_text(f.as_raw_fd(), at(0, 0, 4096), 0);
    // Old, and of a name: a file of the build.
    let exe = File::open(env!("CARGO_MANIFEST_PATH")).unwrap();
    let mine = text(&exe).unwrap();
    assert_eq!(
        (&mine.guest, mine.window.start),
        (&at(0, 0, 4096), SLOT_WINDOWS)
    );
    let path = std::env::temp_dir().join(format!("metaphrase-placement-{}", std::process::id()));
    let mut new = File::create_new(&path).unwrap();
    new.write_all(b"new").unwrap();
    let new = File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(text(&new), None);
    assert_eq!(text(&File::open("/dev/zero").unwrap()), None);
    // SAFETY: a string.
    let fd = unsafe { libc::memfd_create(c"code".as_ptr(), libc::MFD_CLOEXEC) };
    assert!(fd >= 0);
    // SAFETY: a fresh descriptor.
    let memory = unsafe { File::from_raw_fd(fd) };
    let id = FileId::of(memory.as_raw_fd()).unwrap();
    assert_eq!((id.settled, text(&memory)), (false, None));
}

#[test]
fn identities_tell_places_files_and_versions_apart() {
    let file = File::open(env!("CARGO_MANIFEST_PATH")).unwrap();
    let fd = file.as_raw_fd();
    let p = Places::new(7);
    let id = |r: Range<u64>, offset| p.identity(fd, &r, offset).unwrap();
    let one = id(at(0, 0, 4096), 0);
    assert_eq!(one, id(at(0, 0, 4096), 0));
    assert_eq!(
        one,
        Places::new(8).identity(fd, &at(0, 0, 4096), 0).unwrap()
    );
    assert_ne!(one as u64, (one >> 64) as u64, "two hashes");
    for other in [
        id(at(1, 0, 4096), 0),
        id(at(0, 0, 8192), 0),
        id(at(0, 0, 4096), 4096),
    ] {
        assert_ne!(one, other);
    }
    let of = |words| {
        FileId {
            words,
            settled: true,
        }
        .hash(7)
    };
    let words = [1, 2, 3, 4, 5];
    for i in 0..5 {
        let mut other = words;
        other[i] += 1;
        assert_ne!(of(words), of(other));
    }
    assert_ne!(p.preference(fd), Places::new(8).preference(fd));
}

/// A header as dynamic linkers read it.
fn header(kind: u16, machine: u16) -> [u8; 64] {
    let mut h = [0; 64];
    h[..4].copy_from_slice(&elf::ELFMAG);
    h[16..18].copy_from_slice(&kind.to_le_bytes());
    h[18..20].copy_from_slice(&machine.to_le_bytes());
    h
}

#[test]
fn headers_of_libraries_are_noticed() {
    let hint = |bytes: &[u8], n: u64| {
        let mut h = Hint::default();
        h.read(5, bytes.as_ptr() as u64, n);
        h.0
    };
    let library = header(elf::ET_DYN, elf::EM_AARCH64);
    assert_eq!(hint(&library, 832), Some(5));
    assert_eq!(hint(&library, 63), None);
    assert_eq!(hint(&library, 4097), None);
    assert_eq!(hint(&header(elf::ET_REL, elf::EM_AARCH64), 832), None);
    assert_eq!(hint(&header(elf::ET_DYN, elf::EM_X86_64), 832), None);
    assert_eq!(hint(b"#!/bin/sh\n", 832), None);
}

#[test]
fn only_room_and_code_are_placed() {
    let code = (libc::PROT_READ | libc::PROT_EXEC) as u32;
    let (private, shared) = (libc::MAP_PRIVATE as u32, libc::MAP_SHARED as u32);
    let room = private | libc::MAP_ANONYMOUS as u32;
    let q = |prot: u32, flags: u32, fd: i32| MapRequest {
        addr: 0,
        len: MIB,
        prot,
        flags,
        fd,
        offset: 0,
    };
    let wish = |hint: Option<RawFd>, q: MapRequest| {
        let mut hint = Hint(hint);
        let fd = super::wish(&mut hint, &q);
        assert_eq!(hint, Hint(None), "used up");
        fd
    };
    assert_eq!(wish(Some(5), q(0, room, -1)), Some(5), "room for it");
    assert_eq!(wish(None, q(0, room, -1)), None);
    // The linker's own memory, between the header and the room.
    let mut hint = Hint(Some(5));
    assert_eq!(super::wish(&mut hint, &q(3, room, -1)), None);
    assert_eq!(hint, Hint(Some(5)));
    assert_eq!(wish(Some(5), q(1, private, 5)), Some(5), "its first part");
    assert_eq!(wish(Some(5), q(1, private, 6)), None);
    assert_eq!(wish(None, q(code, private, 6)), Some(6), "code");
    assert_eq!(wish(None, q(code, shared, 6)), None);
    let fixed = q(code, private | libc::MAP_FIXED as u32, 6);
    assert_eq!(wish(None, fixed), None);
    let addr = 0x1000_0000;
    assert_eq!(wish(None, MapRequest { addr, ..fixed }), None);
    assert_eq!(
        wish(
            None,
            MapRequest {
                addr,
                ..q(code, private, 6)
            }
        ),
        None
    );
}
