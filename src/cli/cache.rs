//! `metaphrase cache`: what is kept for later runs, and its removal.

use super::{Args, complain, os};
use crate::user::images;
use crate::user::options::Options;
use clap::{Arg, ArgAction, Command};

/// Exit code of a command line that cannot be understood.
const BAD_USAGE: i32 = 2;

fn command() -> Command {
    Command::new("metaphrase cache")
        .bin_name("metaphrase cache")
        .about("Shows what is kept for later runs")
        .arg(
            Arg::new("clear")
                .long("clear")
                .action(ArgAction::SetTrue)
                .help("Remove it"),
        )
        .arg(
            Arg::new("cache")
                .long("cache")
                .value_name("FOLDER")
                .help("The folder, if it is not the usual one [also METAPHRASE_CACHE]"),
        )
}

/// `metaphrase cache ...`; `argv[0]` is "cache".
pub fn main(argv: Args, envp: &[Vec<u8>]) -> i32 {
    let m = match command().try_get_matches_from(argv.into_iter().map(os)) {
        Ok(m) => m,
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() { BAD_USAGE } else { 0 };
        }
    };
    let mut options = Options::new();
    let given = m.get_one::<String>("cache");
    let set = options
        .set_from_env(envp)
        .and_then(|()| given.map_or(Ok(()), |v| options.set("cache", v)));
    if let Err(e) = set {
        complain(e);
        return BAD_USAGE;
    }
    match show(&options, m.get_flag("clear")) {
        Ok(text) => {
            println!("{text}");
            0
        }
        Err(e) => {
            complain(e);
            1
        }
    }
}

fn show(options: &Options, clear: bool) -> Result<String, String> {
    let Some(path) = images::chosen(options) else {
        return Ok("nothing is kept: there is no folder for it".into());
    };
    let shown = path.display();
    let wrong = |e: std::io::Error| format!("{shown}: {e}");
    // To look must not make it.
    if path.symlink_metadata().is_err() {
        return Ok(format!("nothing is kept: {shown} does not exist"));
    }
    let folder = images::open_folder(&path).map_err(wrong)?;
    if clear {
        let was = folder.clear().map_err(wrong)?;
        return Ok(format!(
            "{shown}: {} files removed, {} bytes",
            was.files, was.bytes
        ));
    }
    let now = folder.usage().map_err(wrong)?;
    Ok(format!(
        "{shown}: {} files, {} of at most {} bytes",
        now.files,
        now.bytes,
        folder.limit()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_and_clears() {
        command().debug_assert();
        let path = std::env::temp_dir().join(format!("metaphrase-cache-{}", std::process::id()));
        let mut o = Options::new();
        o.set("cache", path.to_str().unwrap()).unwrap();
        assert!(show(&o, false).unwrap().contains("does not exist"));
        assert!(!path.exists());
        let folder = images::open_folder(&path).unwrap();
        folder.write(1, &[b"12345"]).unwrap();
        assert!(show(&o, false).unwrap().contains(": 1 files, 5 of at most"));
        assert!(show(&o, true).unwrap().contains("1 files removed, 5 bytes"));
        assert!(folder.read(1).is_none());
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(show(&o, false).is_err());
        std::fs::remove_file(&path).unwrap();
        o.set("cache", "off").unwrap();
        assert!(show(&o, true).unwrap().contains("no folder"));
    }
}
