//! Translations of one process that serve the next. Each process is this test executable again, told what to do by its environment.

use crate::guest::Program;
use metaphrase_runtime::cache::image::Text;
use metaphrase_runtime::cache::image::folder::Folder;
use metaphrase_runtime::engine::{Engine, EngineConfig};
use metaphrase_runtime::stats::Counter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TASK: &str = "METAPHRASE_TEST_IMAGES";
const WINDOW: u64 = 0x5000_0000_0000;

/// What a process reports.
#[derive(Debug)]
struct Report {
    /// Translations found in an image.
    hits: u64,
    /// Blocks translated, units of baseline code and regions made.
    blocks: u64,
    units: u64,
    regions: u64,
}

/// The process: runs the guest with images from a folder. In the environment: the folder, the threshold, what else to do.
#[test]
fn a_process_with_images() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let mut words = task.split(' ');
    let mut next = || words.next().unwrap_or_default();
    let (folder, threshold, what) = (next(), next(), next());
    let program = Program::build(1).unwrap();
    let config = EngineConfig {
        threshold: threshold.parse().unwrap(),
        images: Some(Arc::new(Folder::open(Path::new(folder), 64 << 20).unwrap())),
        ..EngineConfig::default()
    };
    let start = |engine: &Engine, (start, end)| {
        engine.map_text(Text {
            guest: start..end,
            identity: 42,
            window: WINDOW..WINDOW + (256 << 20),
        });
        if what == "changed" {
            // The first block has been translated in some earlier process; the guest has changed it and back since it was mapped.
            engine.invalidate(start, end);
        }
    };
    let (engine, ran) = program.run(config, start);
    program.check(&ran);
    finish_compiling(&engine);
    engine.keep();
    let s = engine.stats();
    let get = |c| s.get(c);
    println!(
        "report {} {} {} {}",
        get(Counter::ImageHits),
        get(Counter::Tier0Blocks),
        get(Counter::BaselineBlocks) + get(Counter::BaselineTraces),
        get(Counter::CompileRegions)
    );
}

/// Waits for the compile thread: a slow machine's may have just begun when the guest ends.
fn finish_compiling(engine: &Engine) {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let s = engine.stats();
        if super::ENDED.iter().map(|&c| s.get(c)).sum::<u64>() >= s.get(Counter::Queued) {
            return;
        }
        assert!(Instant::now() < limit, "regions are not compiled");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn process(folder: &Path, threshold: u32, what: &str) -> Report {
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "images::a_process_with_images", "--nocapture"])
        .env(TASK, format!("{} {threshold} {what}", folder.display()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    let error = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{text}{error}");
    let line = text.lines().find_map(|l| Some(l.split_once("report ")?.1));
    let mut n = line.unwrap().split(' ').map(|w| w.parse().unwrap());
    let mut next = || n.next().unwrap();
    Report {
        hits: next(),
        blocks: next(),
        units: next(),
        regions: next(),
    }
}

/// The one image in a folder.
fn image(folder: &Path) -> PathBuf {
    let all = std::fs::read_dir(folder).unwrap();
    let mut images = all
        .map(|e| e.unwrap().path())
        .filter(|p| !p.ends_with("salt"));
    let image = images.next().expect("an image");
    assert_eq!(images.next(), None);
    image
}

#[test]
fn translations_of_one_process_serve_the_next() {
    if Program::build(1).is_none() {
        return;
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("images");
    // Whatever an earlier run of the test has left.
    let _ = std::fs::remove_dir_all(&folder);
    let first = process(&folder, 1_000_000, "");
    assert!(first.hits == 0 && first.units > 50, "{first:?}");
    let second = process(&folder, 1_000_000, "");
    assert!(second.hits > 5, "{second:?}");
    // What runs is in the image; what is translated all the same is what has to be known of hot blocks.
    assert!(second.units < first.units / 4, "{second:?}, {first:?}");
    assert!(second.blocks < first.blocks, "{second:?}, {first:?}");

    // Other settings are another image.
    let kept = std::fs::read(image(&folder)).unwrap();
    let _ = std::fs::remove_dir_all(&folder);
    let regions = process(&folder, 20_000, "");
    assert!(regions.hits == 0 && regions.regions > 0, "{regions:?}");
    assert_ne!(std::fs::read(image(&folder)).unwrap().len(), kept.len());
    // Regions are found again, others grow from what lies in the image, until there is nothing left to compile.
    let settled = (0..8).any(|_| {
        let later = process(&folder, 20_000, "");
        assert!(later.hits > 5, "{later:?}");
        later.regions == 0
    });
    assert!(settled);

    // Code that is not the file's any more is translated as it is.
    let changed = process(&folder, 20_000, "changed");
    assert!(changed.hits == 0 && changed.units > 50, "{changed:?}");

    // What is not whole, or not what its name says, is no image.
    let path = image(&folder);
    let whole = std::fs::read(&path).unwrap();
    for broken in [&whole[..whole.len() / 2], &whole[..100], &[]] {
        std::fs::write(&path, broken).unwrap();
        let r = process(&folder, 20_000, "");
        assert!(r.hits == 0 && r.units > 50, "{r:?}");
        // And it has been replaced.
        assert!(process(&folder, 20_000, "").hits > 5);
    }
    std::fs::write(&path, &kept).unwrap();
    assert_eq!(process(&folder, 20_000, "").hits, 0);
}
