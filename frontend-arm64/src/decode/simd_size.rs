//! Predicates on the size and Q fields that AdvSIMD rows share.

/// `size` is not 3: no 64-bit elements.
pub fn lt_d(w: u32) -> bool {
    w >> 22 & 3 != 3
}

/// Not the 1D arrangement (size 3 with Q = 0).
pub fn no_1d(w: u32) -> bool {
    lt_d(w) || w >> 30 & 1 != 0
}

/// 16-bit or 32-bit elements.
pub fn h_or_s(w: u32) -> bool {
    matches!(w >> 22 & 3, 1 | 2)
}

/// Floating point: double precision (`sz`, bit 22) needs Q = 1.
pub fn fp_q(w: u32) -> bool {
    w >> 22 & 1 == 0 || w >> 30 & 1 != 0
}

/// Floating point by element: doubles need Q = 1 and L = 0.
pub fn fp_elem(w: u32) -> bool {
    w >> 22 & 1 == 0 || (w >> 30 & 1 != 0 && w >> 21 & 1 == 0)
}
