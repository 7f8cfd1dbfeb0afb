//! The folder where images lie.

use std::fs::File;
use std::io;
use std::path::Path;

/// An open folder of images.
#[derive(Debug)]
pub struct Folder {}

impl Folder {
    /// Opens it, makes it if need be. `limit`: bytes that all its files may have together.
    pub fn open(_path: &Path, _limit: u64) -> io::Result<Folder> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// A random number, the same for the life of the folder.
    pub fn salt(&self) -> u64 {
        0
    }

    /// Opens a file. `None`: there is none that can be trusted.
    pub fn read(&self, _name: u128) -> Option<File> {
        None
    }

    /// Writes a file as a whole: readers see the old or the new one. Removes the oldest files if there is too much.
    pub fn write(&self, _name: u128, _parts: &[&[u8]]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
