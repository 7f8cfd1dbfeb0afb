//! `docs/syscalls.md` is what THE table says. `BLESS=1` rewrites it.

use metaphrase::user::syscall::page::support_page;

#[test]
fn the_page_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/syscalls.md");
    let page = support_page();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &page).expect("write");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page,
        "docs/syscalls.md is stale: BLESS=1 cargo test --test syscall_page"
    );
}
