//! How well translations hang together: look-up, chaining, code memory.

use super::{Chart, Section, Table, columns};
use crate::report::number::{bytes, count, percent};
use metaphrase_runtime::stats::{Counter, Stats};

pub(super) fn lookups(s: &Stats) -> Section {
    let g = |c| s.get(c);
    let mut o = Section::new(
        "lookups",
        "Chaining and look-up",
        "Dispatcher counts are exact. Jump-cache hits and entries are counted by the native code itself, only with --stats; chained entries are what is left of all entries.",
    );
    let entries = g(Counter::Tier1Entries) + g(Counter::BaselineExecutions);
    let chained = entries.saturating_sub(g(Counter::Tier1Runs) + g(Counter::JumpHits));
    let mut t = Table {
        columns: columns(&["<native code entered", "times", "share"]),
        ..Table::default()
    };
    for (name, n) in [
        ("by a chained direct exit", chained),
        ("by the inline jump cache", g(Counter::JumpHits)),
        ("by the dispatcher", g(Counter::Tier1Runs)),
    ] {
        t.rows
            .push(vec![name.into(), count(n), percent(n, entries)]);
    }
    let rate = |hit: u64, miss: u64| {
        format!(
            "{} ({} of {})",
            percent(hit, hit + miss),
            count(hit),
            count(hit + miss)
        )
    };
    o.fact(
        "jump cache hits",
        rate(g(Counter::JumpHits), g(Counter::JumpMisses)),
    );
    o.fact(
        "dispatcher block cache hits",
        rate(g(Counter::BlockHits), g(Counter::BlockMisses)),
    );
    o.fact(
        "shared table hits after that",
        rate(
            g(Counter::TableHits),
            g(Counter::BlockMisses) - g(Counter::TableHits).min(g(Counter::BlockMisses)),
        ),
    );
    let mut links = Table {
        columns: columns(&["<links", "number"]),
        ..Table::default()
    };
    for c in [
        Counter::LinksBlock,
        Counter::LinksSlot,
        Counter::LinksJump,
        Counter::BrokenEviction,
        Counter::BrokenInvalidation,
        Counter::BrokenRebuild,
    ] {
        links.rows.push(vec![c.info().doc.into(), count(g(c))]);
    }
    let mut left = Table {
        columns: columns(&["<control came back to the dispatcher because", "times"]),
        ..Table::default()
    };
    let reasons = Counter::ALL
        .iter()
        .filter(|c| c.info().name.starts_with("exit."));
    let reasons = reasons.chain(&[Counter::JumpMisses, Counter::Tier0Indirect]);
    let mut rows: Vec<_> = reasons
        .map(|&c| (g(c), c.info().doc))
        .filter(|r| r.0 > 0)
        .collect();
    rows.sort_by_key(|r| std::cmp::Reverse(r.0));
    left.rows = rows
        .into_iter()
        .map(|(n, doc)| vec![doc.into(), count(n)])
        .collect();
    o.tables = vec![t, links, left];
    o
}

pub(super) fn cache(s: &Stats) -> Section {
    let g = |c| s.get(c);
    let mut o = Section::new("cache", "Code memory", "");
    o.charts.push(Chart::Occupancy);
    o.fact(
        "in use at the end",
        format!(
            "{} of {} ({})",
            bytes(s.cache.in_use),
            bytes(s.cache.capacity),
            percent(s.cache.in_use, s.cache.capacity)
        ),
    );
    o.fact(
        "live at the end",
        format!(
            "{} regions, {} blocks",
            count(s.cache.regions),
            count(s.cache.blocks)
        ),
    );
    o.fact(
        "evicted",
        format!(
            "{} segments, {} regions, {}",
            count(g(Counter::Evictions)),
            count(g(Counter::EvictedRegions)),
            bytes(g(Counter::EvictedBytes))
        ),
    );
    let asked = format!(
        "{} by IC IVAU, {} by mapping calls",
        count(g(Counter::InvalidateIc)),
        count(g(Counter::InvalidateMap))
    );
    o.fact(
        "invalidations",
        format!(
            "{asked}; {} found a translation",
            count(g(Counter::InvalidateHit))
        ),
    );
    o.fact(
        "invalidated",
        format!(
            "{} blocks, {} regions",
            count(g(Counter::InvalidatedBlocks)),
            count(g(Counter::InvalidatedRegions))
        ),
    );
    o
}
