//! Translations that outlive the process: *images*, one for each mapped text of a guest file, in files of a folder.
//!
//! See [`folder`] for where they lie.

pub mod folder;

use std::ops::Range;

/// Guest code that a private mapping of a file shows, unchanged: translations of it may be kept for later processes that map the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    /// Guest addresses of the mapping.
    pub guest: Range<u64>,
    /// Tells the file, its contents, and where in it the mapping begins.
    pub identity: u128,
    /// Host addresses that are reserved for its image: the same whenever the guest addresses are the same, of no other text, nowhere
    /// mapped; multiples of 256 MiB, less than 2 GiB long.
    pub window: Range<u64>,
}
