//! THE list of settings of a Linux user-mode run: key, what it takes, what it says. The command line's flags, the METAPHRASE_* environment
//! variables and what is handed to children all go through [`Options::set`], so they cannot differ.

use super::limits;
use crate::report::finish::Wanted;
use metaphrase_arm64::arch::features::Model;
use metaphrase_runtime::engine::{EngineConfig, JitMode};
use std::path::PathBuf;

/// Prefix of the environment variables.
pub const ENV_PREFIX: &str = "METAPHRASE_";

/// What a child is told beside the settings: resource limits that the host does not hold.
const LIMITS: &str = "limits";

/// Where translations are kept for later processes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Cache {
    /// In a folder of our own choice, if that is possible.
    #[default]
    Default,
    /// Nowhere.
    Off,
    /// In this folder.
    Folder(PathBuf),
}

/// Settings of a run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `-L`: where the interpreter and libraries are.
    pub sysroot: Option<PathBuf>,
    /// `--root`: the folder that is the guest's `/`.
    pub root: Option<PathBuf>,
    /// `--strace`: where to ("" is stderr).
    pub strace: Option<String>,
    /// `--log`: a tracing filter.
    pub log: Option<String>,
    /// `--stats`: where to ("" is text on stderr).
    pub stats: Option<String>,
    /// `--perf-map`.
    pub perf_map: bool,
    /// `--jitdump`: the folder.
    pub jitdump: Option<PathBuf>,
    /// `--cache`.
    pub cache: Cache,
    /// Started by another metaphrase.
    pub child: bool,
    /// The engine.
    pub engine: EngineConfig,
    /// What was set, for children.
    given: Vec<(String, String)>,
}

/// One setting.
pub struct Setting {
    /// Name: `--name` on the command line, `METAPHRASE_NAME` (upper case, `-` as `_`) in the environment.
    pub name: &'static str,
    /// What it takes, for messages.
    pub takes: &'static str,
    /// What it does, for `--help`.
    pub help: &'static str,
    /// One-letter flag.
    pub short: Option<char>,
    /// The value may be left out.
    pub optional: bool,
    apply: fn(&mut Options, &str) -> Option<()>,
}

/// Every setting.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "sysroot",
        takes: "a folder",
        help: "Where the program's interpreter and libraries are",
        short: Some('L'),
        optional: false,
        apply: |o, v| {
            o.sysroot = Some(v.into());
            Some(())
        },
    },
    Setting {
        name: "root",
        takes: "a folder",
        help: "Use this folder as the program's / (no root rights needed)",
        short: None,
        optional: false,
        apply: |o, v| {
            o.root = Some(v.into());
            Some(())
        },
    },
    Setting {
        name: "strace",
        takes: "a file, or nothing for stderr",
        help: "Show system calls",
        short: None,
        optional: true,
        apply: |o, v| {
            o.strace = Some(v.into());
            Some(())
        },
    },
    Setting {
        name: "log",
        takes: "a filter such as syscall=debug",
        help: "Log to stderr",
        short: None,
        optional: false,
        apply: |o, v| {
            o.log = Some(v.into());
            Some(())
        },
    },
    Setting {
        name: "stats",
        takes: "a file, or nothing for text on stderr",
        help: "Report what the translator did: text on stderr, JSON to a file",
        short: None,
        optional: true,
        apply: |o, v| {
            o.stats = Some(absolute(v)?);
            o.engine.collect.stats = true;
            Some(())
        },
    },
    Setting {
        name: "perf-map",
        takes: "nothing",
        help: "Write /tmp/perf-PID.map at the end, for Linux perf",
        short: None,
        optional: true,
        apply: |o, v| {
            o.perf_map = true;
            o.engine.collect.regions = true;
            v.is_empty().then_some(())
        },
    },
    Setting {
        name: "jitdump",
        takes: "a folder, or nothing for the current one",
        help: "Write jit-PID.dump for perf inject --jit",
        short: None,
        optional: true,
        apply: |o, v| {
            o.jitdump = Some(absolute(if v.is_empty() { "." } else { v })?.into());
            o.engine.collect.code = true;
            Some(())
        },
    },
    Setting {
        name: "cpu",
        takes: "a model name: default, max, base, cortex-a53, cortex-a72, neoverse-n1",
        help: "CPU model that the program sees",
        short: None,
        optional: false,
        apply: |o, v| {
            o.engine.cpu = *Model::by_name(v)?;
            Some(())
        },
    },
    Setting {
        name: "jit",
        takes: "background, sync or off",
        help: "How hot code is compiled",
        short: None,
        optional: false,
        apply: |o, v| {
            o.engine.jit = jit_mode(v)?;
            Some(())
        },
    },
    Setting {
        name: "jit-threshold",
        takes: "a number of executions",
        help: "Executions before code is compiled",
        short: None,
        optional: false,
        apply: |o, v| {
            o.engine.threshold = v.parse().ok()?;
            Some(())
        },
    },
    Setting {
        name: "jit-threads",
        takes: "a number of threads",
        help: "Compile threads",
        short: None,
        optional: false,
        apply: |o, v| {
            o.engine.threads = v.parse().ok()?;
            Some(())
        },
    },
    Setting {
        name: "cache-size",
        takes: "a size such as 64M",
        help: "Memory for compiled code",
        short: None,
        optional: false,
        apply: |o, v| {
            o.engine.cache_size = size(v)?;
            Some(())
        },
    },
    Setting {
        name: "cache",
        takes: "a folder, or off",
        help: "Where compiled code is kept for later runs; it is a folder of /dev/shm unless said otherwise",
        short: None,
        optional: false,
        apply: |o, v| {
            o.cache = match v {
                "" => return None,
                "off" => Cache::Off,
                _ => Cache::Folder(absolute(v)?.into()),
            };
            Some(())
        },
    },
];

fn jit_mode(v: &str) -> Option<JitMode> {
    Some(match v {
        "background" => JitMode::Background,
        "sync" => JitMode::Sync,
        "off" => JitMode::Off,
        _ => return None,
    })
}

/// A path to write to, independent of the folder that the guest is in later. Nothing stays nothing.
fn absolute(v: &str) -> Option<String> {
    if v.is_empty() {
        return Some(String::new());
    }
    std::path::absolute(v)
        .ok()?
        .into_os_string()
        .into_string()
        .ok()
}

/// Bytes, with K, M or G.
fn size(v: &str) -> Option<usize> {
    let (digits, unit) = v.split_at(v.find(|c: char| !c.is_ascii_digit()).unwrap_or(v.len()));
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(1 << shift)
}

impl Options {
    /// The defaults: the CPU model is [`metaphrase_arm64::arch::features::DEFAULT`].
    pub fn new() -> Options {
        Options::default()
    }

    /// Sets one by name. The error says what is wrong.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let s = SETTINGS
            .iter()
            .find(|s| s.name == name)
            .ok_or_else(|| format!("there is no setting {name}"))?;
        (s.apply)(self, value)
            .ok_or_else(|| format!("{name} takes {}, not \"{value}\"", s.takes))?;
        self.given.retain(|(n, _)| n != name);
        self.given.push((name.to_string(), value.to_string()));
        Ok(())
    }

    /// Takes METAPHRASE_* variables. Names that are no setting are left alone: the tests have variables with this prefix.
    pub fn set_from_env(&mut self, env: &[Vec<u8>]) -> Result<(), String> {
        for v in env {
            let Some((key, value)) = std::str::from_utf8(v)
                .ok()
                .and_then(|v| v.strip_prefix(ENV_PREFIX))
                .and_then(|v| v.split_once('='))
            else {
                continue;
            };
            let name = key.to_ascii_lowercase().replace('_', "-");
            if SETTINGS.iter().any(|s| s.name == name) {
                self.set(&name, value)?;
            }
        }
        Ok(())
    }

    /// For a child: what was set, as one string.
    pub fn to_child(&self) -> String {
        let jitdump = self.jitdump.as_ref().and_then(|p| p.to_str());
        let cache = match &self.cache {
            Cache::Folder(p) => p.to_str(),
            _ => None,
        };
        // Paths as the first process understood them.
        let value = |k: &str, v: &str| match k {
            "stats" => self.stats.clone().unwrap_or_default(),
            "cache" => cache.unwrap_or(v).to_string(),
            "jitdump" => jitdump.unwrap_or_default().to_string(),
            _ => v.to_string(),
        };
        self.given
            .iter()
            .map(|(k, v)| format!("{k}={}\n", value(k, v)))
            .chain(limits::to_text().map(|l| format!("{LIMITS}={l}\n")))
            .collect()
    }

    /// The report that is due at the end, if any.
    pub fn wanted(&self) -> Option<Wanted> {
        let some = self.stats.is_some() || self.perf_map || self.jitdump.is_some();
        some.then(|| Wanted {
            stats: self.stats.as_ref().map(PathBuf::from),
            child: self.child,
            perf_map: self.perf_map,
        })
    }

    /// Inverse of [`Options::to_child`]. Values with line ends do not survive; no setting has one.
    pub fn set_from_parent(&mut self, text: &str) -> Result<(), String> {
        text.lines()
            .filter_map(|l| l.split_once('='))
            .try_for_each(|(k, v)| match k {
                LIMITS => {
                    limits::adopt(v);
                    Ok(())
                }
                _ => self.set(k, v),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cpu_model_is_named_and_taken() {
        let cpu = SETTINGS.iter().find(|s| s.name == "cpu").unwrap();
        let named: Vec<&str> = cpu.takes.split(": ").nth(1).unwrap().split(", ").collect();
        for m in metaphrase_arm64::arch::features::MODELS {
            assert!(named.contains(&m.name), "{}", m.name);
            let mut o = Options::new();
            o.set("cpu", m.name).unwrap();
            assert_eq!(o.engine.cpu, *m);
        }
    }

    #[test]
    fn settings_reach_children() {
        let mut o = Options::new();
        o.set_from_env(&[
            b"METAPHRASE_JIT=off".to_vec(),
            b"METAPHRASE_CACHE_SIZE=2M".to_vec(),
            b"METAPHRASE_CACHE=some/folder".to_vec(),
            b"METAPHRASE_REQUIRE_ORACLES=1".to_vec(),
            b"PATH=/bin".to_vec(),
        ])
        .unwrap();
        o.set("jit-threshold", "7").unwrap();
        let mut child = Options::new();
        child.set_from_parent(&o.to_child()).unwrap();
        assert_eq!(
            (
                child.engine.jit,
                child.engine.cache_size,
                child.engine.threshold
            ),
            (JitMode::Off, 2 << 20, 7)
        );
        let here = std::env::current_dir().unwrap();
        assert_eq!(child.cache, Cache::Folder(here.join("some/folder")));
        o.set("cache", "off").unwrap();
        assert_eq!(o.cache, Cache::Off);
        assert!(o.set("cache", "").is_err());
        assert!(
            o.set("jit", "sometimes")
                .unwrap_err()
                .contains("background, sync or off")
        );
        assert!(o.set("no-such", "").is_err());
    }
}
