//! Charts as inline SVG, drawn here: no scripts, no outside files. Colours come from the page's style sheet through classes (`s0`..`s7` for
//! series), so one drawing serves light and dark.

use super::number::{bytes, percent, time};
use std::fmt::Write;

const WIDTH: f64 = 960.0;

/// Text made safe for HTML.
pub fn escape(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

fn open(out: &mut String, height: f64, label: &str) {
    let _ = write!(
        out,
        r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{}">"#,
        escape(label)
    );
}

/// Names of series with their colours; series without a value are left out.
pub fn legend(series: &[(&str, u64, usize)]) -> String {
    let total: u64 = series.iter().map(|s| s.1).sum();
    let mut out = String::from("<ul class=legend>");
    for (name, v, class) in series.iter().filter(|s| s.1 > 0) {
        let _ = write!(
            out,
            "<li><i class=\"b{class}\"></i>{} <b>{}</b></li>",
            escape(name),
            percent(*v, total)
        );
    }
    out + "</ul>"
}

/// One bar cut into shares. Each part: name, value, colour class.
pub fn shares(parts: &[(&str, u64, usize)], label: &str) -> String {
    let total: u64 = parts.iter().map(|p| p.1).sum::<u64>().max(1);
    let mut out = String::new();
    open(&mut out, 34.0, label);
    let mut x = 0.0;
    for (name, v, class) in parts {
        let w = WIDTH * *v as f64 / total as f64;
        if w > 0.0 {
            let tip = format!("{name}: {} ({})", time(*v), percent(*v, total));
            let _ = write!(
                out,
                r#"<rect class="s{class}" x="{x:.2}" y="0" width="{w:.2}" height="34"><title>{}</title></rect>"#,
                escape(&tip)
            );
        }
        x += w;
    }
    out + "</svg>"
}

/// A stacked area over time, each column scaled to 1. `points`: end time and one value for each series.
pub fn stacked(points: &[(u64, Vec<u64>)], names: &[(&str, usize)], label: &str) -> String {
    const H: f64 = 220.0;
    let mut out = String::new();
    open(&mut out, H + 24.0, label);
    let end = points.last().map_or(1, |p| p.0).max(1);
    let at = |t: u64| WIDTH * t as f64 / end as f64;
    let mut base: Vec<f64> = vec![0.0; points.len()];
    for (k, (name, class)) in names.iter().enumerate() {
        let mut upper = String::new();
        let mut lower: Vec<String> = Vec::new();
        let mut begin = 0;
        for (i, (t, v)) in points.iter().enumerate() {
            let total: u64 = v.iter().sum::<u64>().max(1);
            let top = base[i] + v[k] as f64 / total as f64;
            let (x0, x1) = (at(begin), at(*t));
            let _ = write!(
                upper,
                "L{x0:.1} {:.1}L{x1:.1} {:.1}",
                H - top * H,
                H - top * H
            );
            lower.push(format!(
                "L{x1:.1} {:.1}L{x0:.1} {:.1}",
                H - base[i] * H,
                H - base[i] * H
            ));
            base[i] = top;
            begin = *t;
        }
        lower.reverse();
        let path = format!("M0 {H}{upper}{}Z", lower.concat());
        let _ = write!(
            out,
            r#"<path class="s{class}" d="{path}"><title>{}</title></path>"#,
            escape(name)
        );
    }
    time_axis(&mut out, H, end);
    out + "</svg>"
}

/// Lines over time, each scaled to its own largest value, which the legend names.
pub fn lines(points: &[(u64, Vec<u64>)], names: &[(&str, usize, bool)], label: &str) -> String {
    const H: f64 = 160.0;
    let mut out = String::new();
    let mut legend = String::from("<ul class=legend>");
    open(&mut out, H + 24.0, label);
    let end = points.last().map_or(1, |p| p.0).max(1);
    for (k, (name, class, is_bytes)) in names.iter().enumerate() {
        let most = points.iter().map(|p| p.1[k]).max().unwrap_or(0);
        let y = |v: u64| H - (H - 6.0) * v as f64 / most.max(1) as f64;
        let mut d = format!("M0 {H}");
        for (t, v) in points {
            let _ = write!(d, "L{:.1} {:.1}", WIDTH * *t as f64 / end as f64, y(v[k]));
        }
        let shown = if *is_bytes {
            bytes(most)
        } else {
            super::number::count(most)
        };
        let _ = write!(
            out,
            r#"<path class="l{class}" d="{d}"><title>{}: {shown} at most</title></path>"#,
            escape(name)
        );
        let _ = write!(
            legend,
            "<li><i class=\"b{class}\"></i>{} <b>{shown}</b> at most</li>",
            escape(name)
        );
    }
    time_axis(&mut out, H, end);
    format!("{out}</svg>{legend}</ul>")
}

fn time_axis(out: &mut String, h: f64, end: u64) {
    let _ = write!(
        out,
        r#"<line class="axis" x1="0" y1="{h}" x2="{WIDTH}" y2="{h}"/>"#
    );
    for i in 0..=4 {
        let (x, anchor) = (
            WIDTH * i as f64 / 4.0,
            ["start", "middle", "middle", "middle", "end"][i],
        );
        let _ = write!(
            out,
            r#"<text x="{x}" y="{}" text-anchor="{anchor}">{}</text>"#,
            h + 18.0,
            time(end / 4 * i as u64)
        );
    }
}

/// Horizontal bars with names.
pub fn bars(rows: &[(String, u64)], label: &str) -> String {
    const STEP: f64 = 24.0;
    const NAMES: f64 = 420.0;
    let most = rows.iter().map(|r| r.1).max().unwrap_or(0).max(1);
    let mut out = String::new();
    open(&mut out, STEP * rows.len() as f64, label);
    for (i, (name, v)) in rows.iter().enumerate() {
        let y = STEP * i as f64;
        let w = (WIDTH - NAMES - 80.0) * *v as f64 / most as f64;
        let short: String = name.chars().take(56).collect();
        let _ = write!(
            out,
            r#"<text x="{:.0}" y="{:.0}" text-anchor="end">{}<title>{}</title></text><rect class="s4" x="{NAMES}" y="{:.0}" width="{w:.1}" height="16" rx="2"/><text x="{:.1}" y="{:.0}">{v}</text>"#,
            NAMES - 8.0,
            y + 16.0,
            escape(&short),
            escape(name),
            y + 3.0,
            NAMES + w + 6.0,
            y + 16.0,
        );
    }
    out + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fill_the_bar_and_names_are_harmless() {
        let s = shares(&[("a<b", 1, 0), ("none", 0, 1), ("c", 3, 2)], "x");
        assert!(
            s.contains(r#"x="0.00" y="0" width="240.00""#)
                && s.contains(r#"x="240.00" y="0" width="720.00""#)
        );
        assert!(s.contains("a&lt;b") && !s.contains("none"));
    }

    #[test]
    fn stacks_reach_the_top_at_each_point() {
        let p = [(10, vec![1, 1]), (20, vec![0, 5])];
        let s = stacked(&p, &[("a", 0), ("b", 1)], "x");
        // The second series ends at 1 (y = 0) in both columns.
        assert_eq!(s.matches("L480.0 0.0").count(), 2);
        assert!(s.contains("L960.0 0.0"));
    }
}
