//! `struct epoll_event` (`linux/eventpoll.h`): packed to 12 bytes on x86-64 only, 16 bytes with natural alignment elsewhere.
//!
//! Must not know: guest memory. Invariant: the 64 bits of user data travel unchanged.

use super::abi_struct;

abi_struct! {
    /// One event as an AArch64 program sees it. The kernel names the fields `events`, `data`; the hole is ours to name (`_hole`), so that no byte is undefined.
    EpollEvent = "struct epoll_event" in "linux/eventpoll.h", size 16 {
        0 events: u32,
        4 _hole: u32,
        8 data: u64,
    }
}

impl EpollEvent {
    /// From the host's packed form.
    pub fn from_host(h: &libc::epoll_event) -> EpollEvent {
        EpollEvent {
            events: h.events,
            _hole: 0,
            data: h.u64,
        }
    }

    /// The host's packed form.
    pub fn to_host(self) -> libc::epoll_event {
        libc::epoll_event {
            events: self.events,
            u64: self.data,
        }
    }
}
