//! Structures and constants at the Linux system-call border, as AArch64 Linux (asm-generic) lays them out, each named as in the
//! kernel header that defines it, with the conversion to and from the x86-64 host's form where the two differ.
//!
//! Only what *differs* has code here. What agrees is listed in [`agree`], and a test asks both C compilers that it does; a
//! system call may pass a pointer straight to the host only if what it points to is in that list (or is plain bytes).
//!
//! Must not know: how guest memory is reached, threads, the table of system calls.

pub mod agree;
pub mod eventpoll;
pub mod fcntl;
pub mod sembuf;
pub mod stat;

/// Where one structure of a kernel header puts its fields; what the tests compare with the compilers' answers.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The C name, with `struct`.
    pub name: &'static str,
    /// The header to include for it.
    pub header: &'static str,
    /// `sizeof`.
    pub size: usize,
    /// Fields with their `offsetof`.
    pub fields: &'static [(&'static str, usize)],
}

/// Declares one guest structure: Rust type, offset and size assertions at compile time, and its [`Layout`] for the tests.
macro_rules! abi_struct {
    ($(#[$doc:meta])* $name:ident = $c:literal in $header:literal, size $size:literal {
        $($off:literal $field:ident: $ty:ty,)*
    }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[allow(missing_docs, reason = "fields are named, and documented, in the kernel header")]
        pub struct $name { $(pub $field: $ty,)* }
        $(const _: () = assert!(core::mem::offset_of!($name, $field) == $off);)*
        const _: () = assert!(core::mem::size_of::<$name>() == $size);
        // SAFETY: every field is a plain number or an array of such, and holes are named fields, so any bytes are a value.
        unsafe impl $crate::user::uaccess::Pod for $name {}
        impl $name {
            /// What the kernel header says, for the tests.
            pub const LAYOUT: $crate::user::abi::Layout = $crate::user::abi::Layout {
                name: $c, header: $header, size: $size, fields: &[$((stringify!($field), $off),)*],
            };
        }
    };
}
pub(crate) use abi_struct;

/// Every guest structure declared here.
pub const GUEST_LAYOUTS: &[Layout] = &[
    stat::Stat::LAYOUT,
    eventpoll::EpollEvent::LAYOUT,
    sembuf::Semid64Ds::LAYOUT,
];

#[cfg(test)]
mod tests;
