//! Memory copy and set for the guest's own instructions (FEAT_MOPS): as far as memory allows, then what is left.
//!
//! Whole blocks go first, single bytes after a fault, so that what is left begins exactly at the byte that cannot be accessed. A call
//! moves at most [`MOST`] bytes: what asks for a stop meanwhile does not wait for gigabytes.

use super::access::{self, Faulted, load8, load128, store8, store128};

/// Bytes that one call moves.
pub const MOST: u64 = 4 << 20;
/// Below this, the host's string instructions take longer to begin than the loop to end.
const STRING: u64 = 256;

/// What became of a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moved {
    /// Bytes done.
    pub done: u64,
    /// Why it ended early: the address of the byte, and whether it could not be written.
    pub bad: Option<(u64, bool)>,
}

/// What is moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    /// Memory.
    Memory(u64),
    /// Copies of one byte.
    Value(u8),
}

impl From {
    fn at(self, offset: u64) -> From {
        match self {
            From::Memory(a) => From::Memory(a.wrapping_add(offset)),
            v => v,
        }
    }
}

/// Strips the tag of a user address (top-byte-ignore).
fn bare(addr: u64) -> u64 {
    if addr >> 55 & 1 == 0 {
        addr & 0x00ff_ffff_ffff_ffff
    } else {
        addr
    }
}

/// Whether `high` lies above `low` and within a block of it: a transfer that goes from `low` towards `high`, which no prologue asks for,
/// then reads what it has written, byte by byte.
fn close(low: u64, high: u64) -> bool {
    (1..16).contains(&high.wrapping_sub(low))
}

/// The first `n` bytes at `to`, upwards.
pub fn upward(to: u64, from: From, n: u64) -> Moved {
    let n = n.min(MOST);
    let (t, f) = (
        bare(to),
        match from {
            From::Memory(a) => From::Memory(bare(a)),
            v => v,
        },
    );
    let mut done = 0;
    if n >= STRING {
        done = n - string(t, f, n);
    }
    let blocks = !matches!(f, From::Memory(f) if close(f, t));
    while blocks && n - done >= 16 && block(t.wrapping_add(done), f.at(done)).is_ok() {
        done += 16;
    }
    while done < n && byte(t.wrapping_add(done), f.at(done)).is_ok() {
        done += 1;
    }
    ended(done, n, done, to, from)
}

/// The last of `n` bytes at `to` from those at `from`, downwards: right where the source begins below the destination.
pub fn downward(to: u64, from: u64, n: u64) -> Moved {
    // What counts is the tag where the transfer begins, which is the end.
    let start = |at: u64| bare(at.wrapping_add(n)).wrapping_sub(n);
    let (t, f) = (start(to), start(from));
    let most = n.min(MOST);
    let mut done = 0;
    let at = |left: u64| (t.wrapping_add(left), From::Memory(f.wrapping_add(left)));
    while most - done >= 16 && !close(t, f) {
        let (t, f) = at(n - done - 16);
        if block(t, f).is_err() {
            break;
        }
        done += 16;
    }
    while done < most {
        let (t, f) = at(n - done - 1);
        if byte(t, f).is_err() {
            break;
        }
        done += 1;
    }
    ended(
        done,
        most,
        n.wrapping_sub(done).wrapping_sub(1),
        to,
        From::Memory(from),
    )
}

/// `offset`: of the byte that would have been next.
fn ended(done: u64, n: u64, offset: u64, to: u64, from: From) -> Moved {
    let bad = (done < n).then(|| match from.at(offset) {
        // SAFETY: guest address; a fault is caught.
        From::Memory(a) if unsafe { load8(bare(a)) }.is_err() => (a, false),
        _ => (to.wrapping_add(offset), true),
    });
    Moved { done, bad }
}

fn block(to: u64, from: From) -> Result<(), Faulted> {
    // SAFETY: guest addresses; faults are caught.
    unsafe {
        let v = match from {
            From::Memory(a) => load128(a)?,
            From::Value(b) => u128::from_le_bytes([b; 16]),
        };
        store128(to, v)
    }
}

fn byte(to: u64, from: From) -> Result<(), Faulted> {
    // SAFETY: guest addresses; faults are caught.
    unsafe {
        let v = match from {
            From::Memory(a) => load8(a)?,
            From::Value(b) => b.into(),
        };
        store8(to, v)
    }
}

/// The host's string instruction; what it left.
fn string(to: u64, from: From, n: u64) -> u64 {
    // SAFETY: guest addresses; a fault is caught.
    unsafe {
        match from {
            From::Memory(a) => access::copy_string(to, a, n),
            From::Value(b) => access::set_string(to, b, n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(v: &[u8], at: usize) -> u64 {
        v[at..].as_ptr() as u64
    }

    /// Every length and distance that matters, against plain loops.
    #[test]
    fn copies_and_sets_like_loops() {
        for n in [0usize, 1, 15, 16, 17, 64, 255, 256, 300, 5000] {
            for distance in [1usize, 3, 16, 40] {
                let mut v: Vec<u8> = (0..6000u32).map(|i| ((i * 7) >> 2) as u8).collect();
                let mut want = v.clone();
                want.copy_within(distance..distance + n, 0);
                let m = upward(addr(&v, 0), From::Memory(addr(&v, distance)), n as u64);
                assert_eq!((m.done, m.bad), (n as u64, None));
                assert!(v == want, "{n} bytes up by {distance}");
                want.copy_within(0..n, distance);
                let m = downward(addr(&v, distance), addr(&v, 0), n as u64);
                assert_eq!((m.done, m.bad), (n as u64, None));
                assert!(v == want, "{n} bytes down by {distance}");
                // The wrong way round, as a main instruction without its prologue may ask for.
                (0..n).for_each(|i| want[i + distance] = want[i]);
                let m = upward(addr(&v, distance), From::Memory(addr(&v, 0)), n as u64);
                assert_eq!((m.done, m.bad), (n as u64, None));
                assert!(v == want, "{n} bytes up over themselves by {distance}");
                (0..n).rev().for_each(|i| want[i] = want[i + distance]);
                downward(addr(&v, 0), addr(&v, distance), n as u64);
                assert!(v == want, "{n} bytes down over themselves by {distance}");
                want[distance..distance + n].fill(0x5a);
                upward(addr(&v, distance), From::Value(0x5a), n as u64);
                assert!(v == want, "{n} bytes set");
                v[0] = 0;
            }
        }
    }
}
