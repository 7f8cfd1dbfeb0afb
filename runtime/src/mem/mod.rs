//! Guest memory as the interpreter and the helpers reach it.

pub mod access;
pub mod bulk;
