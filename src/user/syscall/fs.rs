//! Calls on paths.
