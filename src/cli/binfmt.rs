//! `metaphrase binfmt register|status|unregister`: the kernel's record that starts AArch64 programs with metaphrase
//! (Documentation/admin-guide/binfmt-misc.rst). Explains what is wrong instead of failing with an errno.

use super::{Args, complain, os};
use clap::{Arg, Command};
use std::path::{Path, PathBuf};

/// Name of our record.
const NAME: &str = "metaphrase-aarch64";
const FOLDER: &str = "/proc/sys/fs/binfmt_misc";

/// The first bytes of an AArch64 program: 64-bit little-endian ELF, ET_EXEC or ET_DYN, EM_AARCH64.
const MAGIC: [u8; 20] = [
    0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0xb7, 0,
];
/// Which bits of them count: not EI_OSABI, and of the type all but its lowest bit.
const MASK: [u8; 20] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xfe, 0xff, 0xff, 0xff,
];

fn command() -> Command {
    let flags = Arg::new("flags")
        .long("flags")
        .default_value("F")
        .help("F: works inside containers; P: argv[0] is kept; O, C: privileges of set-user-id programs are kept");
    let path = Arg::new("path")
        .long("path")
        .help("The metaphrase executable to register (default: this one)");
    Command::new("metaphrase binfmt")
        .bin_name("metaphrase binfmt")
        .about("Lets the kernel start AArch64 programs with metaphrase (needs root)")
        .subcommand_required(true)
        .subcommand(
            Command::new("register")
                .about("Writes the record")
                .arg(flags)
                .arg(path),
        )
        .subcommand(Command::new("status").about("Says what the kernel does with AArch64 programs"))
        .subcommand(Command::new("unregister").about("Removes the record"))
}

/// Runs the command; `argv[0]` is "binfmt".
pub fn main(argv: Args) -> i32 {
    let m = match command().try_get_matches_from(argv.into_iter().map(os)) {
        Ok(m) => m,
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() { 2 } else { 0 };
        }
    };
    let result = match m.subcommand() {
        Some(("register", m)) => {
            let flags = m.get_one::<String>("flags").map_or("F", String::as_str);
            register(flags, m.get_one::<String>("path").map(PathBuf::from))
        }
        Some(("unregister", _)) => unregister(),
        _ => status(),
    };
    match result {
        Ok(text) => {
            println!("{text}");
            0
        }
        Err(text) => {
            complain(text);
            1
        }
    }
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("\\x{b:02x}")).collect()
}

/// The line for the kernel's `register` file.
fn record(exe: &Path, flags: &str) -> Result<String, String> {
    let path = exe
        .to_str()
        .ok_or("the path of the executable is not text")?;
    if path.contains(':') || path.contains('\n') {
        return Err(format!(
            "the kernel cannot register a path with a colon: {path}"
        ));
    }
    if let Some(c) = flags.chars().find(|c| !"FPOC".contains(*c)) {
        return Err(format!("there is no flag {c}: flags are F, P, O and C"));
    }
    let line = format!(
        ":{NAME}:M::{}:{}:{path}:{flags}",
        escaped(&MAGIC),
        escaped(&MASK)
    );
    // MAX_REGISTER_LENGTH of fs/binfmt_misc.c.
    if line.len() > 1920 {
        return Err(format!("the path is too long for the kernel: {path}"));
    }
    Ok(line)
}

/// The folder, if it is there.
fn folder() -> Result<&'static Path, String> {
    let f = Path::new(FOLDER);
    if f.join("register").exists() {
        return Ok(f);
    }
    Err(format!(
        "binfmt_misc is not mounted: run \"mount -t binfmt_misc binfmt_misc {FOLDER}\" as root (in a container: on the host)"
    ))
}

fn explained(what: &str, e: &std::io::Error) -> String {
    match e.raw_os_error() {
        Some(libc::EACCES | libc::EPERM | libc::EROFS) => {
            format!(
                "{what}: {e}: root rights over the host (or over a user namespace, Linux 6.7) are needed"
            )
        }
        _ => format!("{what}: {e}"),
    }
}

/// Records that would take AArch64 programs too: (name, interpreter).
fn others(folder: &Path) -> Vec<(String, String)> {
    let magic: String = MAGIC[..7].iter().map(|b| format!("{b:02x}")).collect();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|e| {
            Some((
                e.file_name().into_string().ok()?,
                std::fs::read_to_string(e.path()).ok()?,
            ))
        })
        .filter(|(name, text)| {
            let hex = text
                .lines()
                .find_map(|l| l.strip_prefix("magic "))
                .unwrap_or("");
            name != NAME
                && text.starts_with("enabled")
                && hex.starts_with(&magic)
                && hex.get(36..40) == Some("b700")
        })
        .map(|(name, text)| {
            let i = text
                .lines()
                .find_map(|l| l.strip_prefix("interpreter "))
                .unwrap_or("?");
            (name, i.to_string())
        })
        .collect()
}

fn register(flags: &str, path: Option<PathBuf>) -> Result<String, String> {
    let f = folder()?;
    let exe = match path {
        Some(p) => std::fs::canonicalize(&p).map_err(|e| format!("{}: {e}", p.display()))?,
        None => std::env::current_exe().map_err(|e| format!("our own executable: {e}"))?,
    };
    let line = record(&exe, flags)?;
    if f.join(NAME).exists() {
        unregister()?;
    }
    std::fs::write(f.join("register"), line).map_err(|e| explained("registering", &e))?;
    let mut text = format!("registered {} with flags {flags}", exe.display());
    if cfg!(not(target_feature = "crt-static")) {
        text += "\nthis executable is not static: it will not start inside root folders without the host's libraries (build it with \"cargo dist\")";
    }
    for (name, interpreter) in others(f) {
        text += &format!(
            "\nthe record {name} ({interpreter}) takes AArch64 programs too; the newest record wins"
        );
    }
    Ok(text)
}

fn unregister() -> Result<String, String> {
    let f = folder()?.join(NAME);
    if !f.exists() {
        return Err("not registered".into());
    }
    std::fs::write(&f, "-1").map_err(|e| explained("unregistering", &e))?;
    Ok("unregistered".into())
}

fn status() -> Result<String, String> {
    let f = folder()?;
    let mut text = match std::fs::read_to_string(f.join(NAME)) {
        Ok(t) => t.trim_end().to_string(),
        Err(_) => "not registered: AArch64 programs start with \"metaphrase run\" only".into(),
    };
    if std::fs::read_to_string(f.join("status")).is_ok_and(|s| s.trim() == "disabled") {
        text += "\nbinfmt_misc as a whole is disabled (echo 1 > /proc/sys/fs/binfmt_misc/status)";
    }
    for (name, interpreter) in others(f) {
        text += &format!("\nthe record {name} ({interpreter}) takes AArch64 programs too");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_what_the_kernel_parses() {
        let r = record(Path::new("/opt/metaphrase"), "PF").unwrap();
        let f: Vec<&str> = r.split(':').collect();
        assert_eq!(
            (f.len(), f[1], f[2], f[6], f[7]),
            (8, NAME, "M", "/opt/metaphrase", "PF")
        );
        assert!(f[4].starts_with("\\x7f\\x45\\x4c\\x46\\x02\\x01\\x01\\x00"));
        assert!(record(Path::new("/a:b"), "F").is_err());
        assert!(record(Path::new("/a"), "X").unwrap_err().contains('X'));
        command().debug_assert();
    }

    #[test]
    fn programs_match_the_magic_and_others_do_not() {
        let matches = |head: &[u8]| {
            MAGIC
                .iter()
                .zip(MASK)
                .zip(head)
                .all(|((m, k), b)| m & k == b & k)
        };
        let mut exe = MAGIC.to_vec();
        assert!(matches(&exe));
        exe[16] = 3;
        assert!(matches(&exe), "position-independent programs");
        exe[7] = 3;
        assert!(matches(&exe), "GNU OSABI");
        exe[16] = 1;
        assert!(!matches(&exe), "object files");
        exe[16] = 2;
        exe[18] = 0x3e;
        assert!(!matches(&exe), "x86-64");
    }
}
