//! The look-up behind [`super::decode`]: bits 31..21 of the word select a short list of candidate rows; where that list is
//! long (AdvSIMD, data processing), bits 15..10 select a shorter one.
//!
//! Built once per process from [`super::CLASSES`]; candidates keep the order of the rows.

use super::CLASSES;
use super::pattern::Row;
use std::sync::OnceLock;

const FIRST: Key = Key {
    shift: 21,
    bits: 11,
};
const SECOND: Key = Key { shift: 10, bits: 6 };
/// Lists longer than this are split by the second key.
const LONG: usize = 3;

/// A candidate: the row's fixed bits beside a reference to it.
pub(super) struct Candidate {
    pub mask: u32,
    pub value: u32,
    pub row: &'static Row,
}

/// A span of the candidate list, or (with [`SPLIT`]) the base index of a second-level block of spans.
#[derive(Clone, Copy, Default)]
struct Span {
    start: u32,
    len: u32,
}
const SPLIT: u32 = u32::MAX;

struct Table {
    spans: Vec<Span>,
    candidates: Vec<Candidate>,
}

/// Rows that may match `w`, in order.
#[inline]
pub(super) fn candidates(w: u32) -> &'static [Candidate] {
    static TABLE: OnceLock<Table> = OnceLock::new();
    let t = TABLE.get_or_init(Table::build);
    let mut s = t.spans[FIRST.of(w) as usize];
    if s.len == SPLIT {
        s = t.spans[(s.start + SECOND.of(w)) as usize];
    }
    &t.candidates[s.start as usize..(s.start + s.len) as usize]
}

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

    /// Calls `f` with every key that words matching `row` can have.
    fn each(self, row: &Row, mut f: impl FnMut(usize)) {
        let (value, free) = (self.of(row.value), self.of(!row.mask));
        let mut sub = 0u32;
        loop {
            f((value | sub) as usize);
            if sub == free {
                return;
            }
            sub = (sub.wrapping_sub(free)) & free;
        }
    }
}

/// Rows by key value, flat: rows of key k are `rows[starts[k]..starts[k + 1]]`.
struct Buckets {
    starts: Vec<u32>,
    rows: Vec<&'static Row>,
}

impl Buckets {
    fn new(rows: &[&'static Row], key: Key) -> Option<Buckets> {
        let first = *rows.first()?;
        let mut starts = vec![0u32; (1 << key.bits) + 1];
        for r in rows {
            key.each(r, |k| starts[k + 1] += 1);
        }
        for k in 1..starts.len() {
            starts[k] += starts[k - 1];
        }
        let mut next = starts.clone();
        let mut out = vec![first; starts[1 << key.bits] as usize];
        for &r in rows {
            key.each(r, |k| {
                out[next[k] as usize] = r;
                next[k] += 1;
            });
        }
        Some(Buckets { starts, rows: out })
    }

    fn get(&self, k: usize) -> &[&'static Row] {
        &self.rows[self.starts[k] as usize..self.starts[k + 1] as usize]
    }
}

impl Table {
    fn build() -> Table {
        let all: Vec<&'static Row> = CLASSES.iter().flat_map(|c| c.iter()).collect();
        let mut t = Table {
            spans: vec![Span::default(); 1 << FIRST.bits],
            candidates: Vec::new(),
        };
        let Some(first) = Buckets::new(&all, FIRST) else {
            return t;
        };
        for k in 0..1usize << FIRST.bits {
            let rows = first.get(k);
            let same = k > 0
                && rows
                    .iter()
                    .map(|r| *r as *const Row)
                    .eq(first.get(k - 1).iter().map(|r| *r as *const Row));
            t.spans[k] = if same {
                t.spans[k - 1]
            } else if rows.len() <= LONG {
                t.append(rows)
            } else {
                t.split(rows)
            };
        }
        t
    }

    fn append(&mut self, rows: &[&'static Row]) -> Span {
        let start = self.candidates.len() as u32;
        self.candidates.extend(rows.iter().map(|&row| Candidate {
            mask: row.mask,
            value: row.value,
            row,
        }));
        Span {
            start,
            len: rows.len() as u32,
        }
    }

    fn split(&mut self, rows: &[&'static Row]) -> Span {
        let start = self.spans.len() as u32;
        self.spans
            .resize(self.spans.len() + (1 << SECOND.bits), Span::default());
        if let Some(b) = Buckets::new(rows, SECOND) {
            for k in 0..1usize << SECOND.bits {
                self.spans[start as usize + k] = self.append(b.get(k));
            }
        }
        Span { start, len: SPLIT }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                .map(|c| c.row.name)
                .collect();
            assert_eq!(want, got, "{w:08x}");
        }
    }
}
