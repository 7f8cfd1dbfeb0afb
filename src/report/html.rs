//! Sections as one self-contained HTML page: style sheet inside, charts as inline SVG, no scripts, nothing fetched; light and dark.

use super::sections::{self, Chart, Section, Table};
use super::svg::{self, escape};
use metaphrase_runtime::stats::{Phase, Stats, Timeline};
use std::fmt::Write;

/// Rows of the long tables.
const TOP: usize = 100;

const STYLE: &str = "
:root{color-scheme:light dark;--bg:#fcfcfb;--fg:#1d2126;--dim:#646c76;--line:#dfe2e6;--card:#fff;
--c0:#8b95a3;--c1:#d9902f;--c2:#e6bd4a;--c3:#4f8fd9;--c4:#2f9e77;--c5:#c2559d;--c6:#7a6fd0;--c7:#cf5148;--c8:#84b544}
@media(prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e4e7eb;--dim:#99a2ad;--line:#2d333b;--card:#1b1f25;
--c0:#77818f;--c1:#d08a35;--c2:#c9a64a;--c3:#5f9de0;--c4:#3fae86;--c5:#cb69aa;--c6:#8d83dc;--c7:#d9675e;--c8:#8fbb55}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1080px;padding:24px 16px 64px;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}
h1{font-size:24px;margin:0 0 2px}h2{font-size:18px;margin:0 0 8px}
p{margin:0 0 12px;color:var(--dim);max-width:75ch}
nav{margin:12px 0 20px;display:flex;flex-wrap:wrap;gap:4px 14px}nav a{color:var(--c3);text-decoration:none}nav a:hover{text-decoration:underline}
section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:16px 18px;margin:0 0 18px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 18px;margin:0 0 12px}dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:0 0 14px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px;min-width:40%}
th{font-weight:600;color:var(--dim);text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}
td,th{padding:3px 14px 3px 0;vertical-align:top}td{border-bottom:1px solid color-mix(in srgb,var(--line) 55%,transparent)}
.r{text-align:right;white-space:nowrap}td:first-child{white-space:nowrap}.sym{overflow-wrap:anywhere;min-width:16ch}
svg{display:block;width:100%;height:auto;margin:0 0 8px;border-radius:3px}svg text{fill:var(--dim);font:12px system-ui,sans-serif}.axis{stroke:var(--line)}
.s0{fill:var(--c0)}.s1{fill:var(--c1)}.s2{fill:var(--c2)}.s3{fill:var(--c3)}.s4{fill:var(--c4)}.s5{fill:var(--c5)}.s6{fill:var(--c6)}.s7{fill:var(--c7)}.s8{fill:var(--c8)}
.l3{stroke:var(--c3)}.l1{stroke:var(--c1)}.l4{stroke:var(--c4)}.l3,.l1,.l4{fill:none;stroke-width:2}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 18px;padding:0;margin:0 0 14px;font-size:14px}.legend i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:6px}
.b0{background:var(--c0)}.b1{background:var(--c1)}.b2{background:var(--c2)}.b3{background:var(--c3)}.b4{background:var(--c4)}.b5{background:var(--c5)}.b6{background:var(--c6)}.b7{background:var(--c7)}.b8{background:var(--c8)}
.more{color:var(--dim);font-size:14px}
@media print{section{break-inside:avoid}}
";

/// The page.
pub fn page(s: &Stats) -> String {
    let sections = sections::all(s, TOP);
    let name = s.process.program.rsplit('/').next().unwrap_or_default();
    let title = format!("metaphrase: {}", escape(name));
    let mut out = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style><h1>{title}</h1><p>What the translator did.</p><nav>"
    );
    for x in &sections {
        let _ = write!(out, "<a href=\"#{}\">{}</a>", x.id, x.title);
    }
    out.push_str("</nav>\n");
    for x in &sections {
        section(&mut out, x, &s.timeline);
    }
    out + "</html>\n"
}

fn section(out: &mut String, x: &Section, timeline: &Timeline) {
    let _ = write!(out, "<section id=\"{}\"><h2>{}</h2>", x.id, x.title);
    if !x.note.is_empty() {
        let _ = write!(out, "<p>{}</p>", escape(x.note));
    }
    for c in &x.charts {
        chart(out, c, timeline);
    }
    if !x.facts.is_empty() {
        out.push_str("<dl>");
        for (name, value) in &x.facts {
            let _ = write!(out, "<dt>{}<dd>{}", escape(name), escape(value));
        }
        out.push_str("</dl>");
    }
    for t in &x.tables {
        table(out, t);
    }
    out.push_str("</section>\n");
}

fn chart(out: &mut String, c: &Chart, timeline: &Timeline) {
    match c {
        Chart::Shares(parts) => {
            let parts: Vec<_> = parts
                .iter()
                .enumerate()
                .map(|(i, p)| (p.0, p.1, i))
                .collect();
            out.push_str(&svg::shares(&parts, "shares of the time of CPU threads"));
            out.push_str(&svg::legend(&parts));
        }
        Chart::Phases => phases(out, timeline),
        Chart::Occupancy if timeline.points.len() > 1 => {
            let p = timeline
                .points
                .iter()
                .map(|p| (p.at_ns, vec![p.code_bytes, p.regions, p.queue]));
            let names = [
                ("code memory in use", 3, true),
                ("live regions", 4, false),
                ("compile queue", 1, false),
            ];
            out.push_str(&svg::lines(
                &p.collect::<Vec<_>>(),
                &names,
                "code memory over time",
            ));
        }
        Chart::Occupancy => {}
        Chart::Bars(rows) => out.push_str(&svg::bars(rows, "samples by region")),
    }
}

/// Shares of the phases over time, without system calls, in which threads mostly wait.
fn phases(out: &mut String, timeline: &Timeline) {
    if timeline.points.len() < 2 {
        return;
    }
    let shown = [
        Phase::Tier1,
        Phase::Baseline,
        Phase::Tier0,
        Phase::Dispatch,
        Phase::Translate,
        Phase::Bytecode,
        Phase::Compile,
        Phase::Exception,
    ];
    let values = |t: &[u64]| shown.iter().map(|&p| t[p as usize]).collect::<Vec<_>>();
    let points: Vec<_> = timeline
        .points
        .iter()
        .map(|p| (p.at_ns, values(&p.ticks)))
        .collect();
    let names: Vec<_> = shown
        .iter()
        .map(|&p| (sections::phase_title(p), p as usize))
        .collect();
    out.push_str(&svg::stacked(
        &points,
        &names,
        "what running CPU threads did over time",
    ));
    let sums = shown.iter().enumerate().map(|(k, &p)| {
        let n = points.iter().map(|x| x.1[k]).sum();
        (sections::phase_title(p), n, p as usize)
    });
    out.push_str(&svg::legend(&sums.collect::<Vec<_>>()));
}

fn table(out: &mut String, t: &Table) {
    if t.rows.is_empty() {
        return;
    }
    out.push_str("<div class=scroll><table><tr>");
    for c in &t.columns {
        let class = if c.right { " class=r" } else { "" };
        let _ = write!(out, "<th{class}>{}", escape(c.name));
    }
    for r in &t.rows {
        out.push_str("<tr>");
        for (c, cell) in t.columns.iter().zip(r) {
            let class = match c.right {
                true => " class=r",
                false if c.name == "symbol" => " class=sym",
                false => "",
            };
            let _ = write!(out, "<td{class}>{}", escape(cell));
        }
        out.push('\n');
    }
    out.push_str("</table></div>");
    if t.more > 0 {
        let _ = write!(out, "<p class=more>... {} more in the file</p>", t.more);
    }
}
