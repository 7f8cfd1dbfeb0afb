//! The look-up behind [`super::decode`]: bits 31..21 of the word select a short list of candidate rows; where that list is
//! long (AdvSIMD, data processing), bits 15..10 select a shorter one.
//!
//! Computed by the compiler from [`super::CLASSES`], so that a process pays nothing to start; candidates keep the order of
//! the rows.

use super::CLASSES;
use super::pattern::Row;
use crate::arch::features::Feat;

const FIRST: Key = Key {
    shift: 21,
    bits: 11,
};
const SECOND: Key = Key { shift: 10, bits: 6 };
/// Lists longer than this are split by the second key.
const LONG: u32 = 3;

/// A candidate: what decides whether the row matches, and its number.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub mask: u32,
    pub value: u32,
    row: u16,
    pub feat: Feat,
}

impl Candidate {
    /// The row.
    #[inline]
    pub(super) fn row(&self) -> &'static Row {
        ROWS[self.row as usize]
    }
}

/// A span of the candidate list, `start << 8 | len`; or, with `len` = [`SPLIT`], the base of a second-level block of spans.
type Span = u32;
const SPLIT: u32 = 0xff;

/// Rows that may match `w`, in order.
#[inline]
pub(super) fn candidates(w: u32) -> &'static [Candidate] {
    let mut s = TABLE.first[FIRST.of(w) as usize];
    if s & 0xff == SPLIT {
        s = TABLE.second[((s >> 8) + SECOND.of(w)) as usize];
    }
    let (start, len) = ((s >> 8) as usize, (s & 0xff) as usize);
    &TABLE.candidates[start..start + len]
}

const COUNT: usize = {
    let (mut n, mut c) = (0, 0);
    while c < CLASSES.len() {
        n += CLASSES[c].len();
        c += 1;
    }
    n
};

/// All rows by number.
static ROWS: [&Row; COUNT] = {
    let mut out = [&CLASSES[0][0]; COUNT];
    let (mut n, mut c) = (0, 0);
    while c < CLASSES.len() {
        let mut i = 0;
        while i < CLASSES[c].len() {
            out[n] = &CLASSES[c][i];
            n += 1;
            i += 1;
        }
        c += 1;
    }
    out
};

/// A bit field of the word used as an index.
#[derive(Clone, Copy)]
struct Key {
    shift: u32,
    bits: u32,
}

impl Key {
    const fn of(self, w: u32) -> u32 {
        w >> self.shift & ((1 << self.bits) - 1)
    }
}

#[allow(
    long_running_const_eval,
    reason = "the table is worth a second of compile time"
)]
const BUILT: Build = build();

static TABLE: Table<{ SIZES.0 }, { SIZES.1 }> = {
    let b = &BUILT;
    let mut t = Table {
        first: b.first,
        second: [0; SIZES.0],
        candidates: [b.candidates[0]; SIZES.1],
    };
    let mut i = 0;
    while i < SIZES.0 {
        t.second[i] = b.second[i];
        i += 1;
    }
    i = 0;
    while i < SIZES.1 {
        t.candidates[i] = b.candidates[i];
        i += 1;
    }
    t
};

const SIZES: (usize, usize) = (BUILT.seconds, BUILT.filled);

struct Table<const S: usize, const C: usize> {
    first: [Span; 1 << FIRST.bits],
    second: [Span; S],
    candidates: [Candidate; C],
}

const ROOM: usize = 32768;

/// The table under construction, with room to spare.
struct Build {
    first: [Span; 1 << FIRST.bits],
    second: [Span; ROOM],
    seconds: usize,
    candidates: [Candidate; ROOM],
    filled: usize,
}

/// Rows by first key: those of key k are `rows[starts[k]..starts[k + 1]]`.
struct Buckets {
    starts: [u32; (1 << FIRST.bits) + 1],
    rows: [u16; ROOM],
}

const fn buckets() -> Buckets {
    let mut b = Buckets {
        starts: [0; (1 << FIRST.bits) + 1],
        rows: [0; ROOM],
    };
    let mut next = [0u32; 1 << FIRST.bits];
    let mut pass = 0;
    while pass < 2 {
        let mut n = 0;
        while n < COUNT {
            let (value, free) = (FIRST.of(ROWS[n].value), FIRST.of(!ROWS[n].mask));
            let mut sub = 0u32;
            loop {
                let k = (value | sub) as usize;
                if pass == 0 {
                    b.starts[k + 1] += 1;
                } else {
                    b.rows[next[k] as usize] = n as u16;
                    next[k] += 1;
                }
                if sub == free {
                    break;
                }
                sub = sub.wrapping_sub(free) & free;
            }
            n += 1;
        }
        let mut k = 0;
        while pass == 0 && k < 1 << FIRST.bits {
            b.starts[k + 1] += b.starts[k];
            next[k] = b.starts[k];
            k += 1;
        }
        pass += 1;
    }
    b
}

const fn build() -> Build {
    let buckets = buckets();
    let none = Candidate {
        mask: 0,
        value: 0,
        row: 0,
        feat: Feat::BASE,
    };
    let mut t = Build {
        first: [0; 1 << FIRST.bits],
        second: [0; ROOM],
        seconds: 0,
        candidates: [none; ROOM],
        filled: 0,
    };
    let mut k = 0;
    while k < 1 << FIRST.bits {
        let (start, end) = (buckets.starts[k], buckets.starts[k + 1]);
        t.first[k] = if k > 0 && same(&buckets, k - 1, k) {
            t.first[k - 1]
        } else if end - start <= LONG {
            t.append(&buckets, k, None)
        } else {
            t.split(&buckets, k)
        };
        k += 1;
    }
    t
}

/// Whether two keys have the same rows.
const fn same(b: &Buckets, k: usize, l: usize) -> bool {
    let (k0, l0) = (b.starts[k] as usize, b.starts[l] as usize);
    let len = b.starts[k + 1] as usize - k0;
    if len != b.starts[l + 1] as usize - l0 {
        return false;
    }
    let mut i = 0;
    while i < len {
        if b.rows[k0 + i] != b.rows[l0 + i] {
            return false;
        }
        i += 1;
    }
    true
}

impl Build {
    /// Appends the rows of first key `k`, those only that can have the second key if one is given. A list that was
    /// just appended is not repeated.
    const fn append(&mut self, b: &Buckets, k: usize, second: Option<u32>) -> Span {
        let start = self.filled;
        let mut i = b.starts[k] as usize;
        while i < b.starts[k + 1] as usize {
            let row = ROWS[b.rows[i] as usize];
            let fits = match second {
                None => true,
                Some(s) => (s ^ SECOND.of(row.value)) & SECOND.of(row.mask) == 0,
            };
            if fits {
                self.candidates[self.filled] = Candidate {
                    mask: row.mask,
                    value: row.value,
                    row: b.rows[i],
                    feat: row.feat,
                };
                self.filled += 1;
            }
            i += 1;
        }
        let len = self.filled - start;
        assert!(len < SPLIT as usize, "too many rows for one key");
        if start >= len && self.repeats(start - len, start, len) {
            self.filled = start;
            return ((start - len) << 8 | len) as Span;
        }
        (start << 8 | len) as Span
    }

    const fn repeats(&self, a: usize, b: usize, len: usize) -> bool {
        let mut i = 0;
        while i < len {
            if self.candidates[a + i].row != self.candidates[b + i].row {
                return false;
            }
            i += 1;
        }
        true
    }

    const fn split(&mut self, b: &Buckets, k: usize) -> Span {
        let base = self.seconds;
        let mut s = 0;
        while s < 1 << SECOND.bits {
            self.second[base + s as usize] = self.append(b, k, Some(s));
            s += 1;
        }
        self.seconds += 1 << SECOND.bits;
        (base as u32) << 8 | SPLIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The look-up should stay in a processor's second-level cache; docs/differential.md has the number.
    #[test]
    fn the_table_is_small() {
        let rows = COUNT * (size_of::<Row>() + size_of::<&Row>());
        let lists = TABLE.candidates.len();
        println!(
            "{COUNT} rows in {rows} bytes; look-up of {lists} candidates in {} bytes",
            size_of_val(&TABLE)
        );
        assert!(size_of_val(&TABLE) < 128 << 10);
    }

    /// The look-up must offer every row that matches, in order: compared with a linear search over all rows.
    #[test]
    fn offers_every_matching_row_in_order() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        for i in 0..200_000u32 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let rows: Vec<_> = CLASSES.iter().flat_map(|c| c.iter()).collect();
            let r = rows[i as usize % rows.len()];
            let w = seed as u32 & !r.mask | r.value;
            let want: Vec<_> = rows
                .iter()
                .filter(|r| w & r.mask == r.value)
                .map(|r| r.name)
                .collect();
            let got: Vec<_> = candidates(w)
                .iter()
                .filter(|c| w & c.mask == c.value)
                .map(|c| c.row().name)
                .collect();
            assert_eq!(want, got, "{w:08x}");
        }
    }
}
