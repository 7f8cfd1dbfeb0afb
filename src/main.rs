//! The `metaphrase` command.
fn main() {}
