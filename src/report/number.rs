//! Numbers for people.

/// With thousands separators: `1 234 567` (narrow no-break spaces would not align in a terminal).
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// A duration with three significant digits.
pub fn time(ns: u64) -> String {
    let (v, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    format!("{} {unit}", three(v))
}

/// Bytes with three significant digits, in binary units.
pub fn bytes(n: u64) -> String {
    let (v, unit) = match n {
        0..1_024 => return format!("{n} B"),
        1_024..1_048_576 => (n as f64 / 1024.0, "KiB"),
        1_048_576..1_073_741_824 => (n as f64 / 1_048_576.0, "MiB"),
        _ => (n as f64 / 1_073_741_824.0, "GiB"),
    };
    format!("{} {unit}", three(v))
}

fn three(v: f64) -> String {
    match v {
        v if v >= 99.95 => format!("{v:.0}"),
        v if v >= 9.995 => format!("{v:.1}"),
        _ => format!("{v:.2}"),
    }
}

/// A share of a whole; `-` if there is no whole.
pub fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "-".into(),
        _ => format!("{:.1} %", part as f64 * 100.0 / whole as f64),
    }
}

/// A quotient with two decimals; `-` if the divisor is 0.
pub fn ratio(a: u64, b: u64) -> String {
    match b {
        0 => "-".into(),
        _ => format!("{:.2}", a as f64 / b as f64),
    }
}

/// A guest address.
pub fn address(pc: u64) -> String {
    format!("{pc:#x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_can_read_them() {
        assert_eq!(
            [count(0), count(999), count(1000), count(1_234_567)],
            ["0", "999", "1 000", "1 234 567"]
        );
        assert_eq!(
            [
                time(999),
                time(1_500),
                time(12_345_678),
                time(99_960_000),
                time(2_000_000_000)
            ],
            ["999 ns", "1.50 us", "12.3 ms", "100 ms", "2.00 s"]
        );
        assert_eq!(
            [bytes(1023), bytes(1536), bytes(64 << 20)],
            ["1023 B", "1.50 KiB", "64.0 MiB"]
        );
        assert_eq!(
            [percent(1, 3), percent(1, 0), ratio(7, 2), ratio(1, 0)],
            ["33.3 %", "-", "3.50", "-"]
        );
    }
}
