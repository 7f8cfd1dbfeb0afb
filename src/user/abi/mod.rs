//! Struct layouts and flag values that differ between Linux/arm64 (asm-generic) and the host.
