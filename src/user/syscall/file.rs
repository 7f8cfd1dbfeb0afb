//! Calls on descriptors.
