//! Scalar conversions between floating point and general registers, Arm ARM C4.1.96: integer, fixed point, FMOV.

/// A 32-bit fixed-point operand has at most 32 fraction bits.
fn scale_ok(w: u32) -> bool {
    w >> 31 != 0 || w >> 15 & 1 != 0
}

#[rustfmt::skip]
crate::rows! {
    /// Single and double precision.
    FpConv {
        FCvtNS      "f0011110 0t100000 000000nn nnnddddd" { sf: f, t: t, rn: n, rd: d           } FP;
        FCvtNU      "f0011110 0t100001 000000nn nnnddddd" { sf: f, t: t, rn: n, rd: d           } FP;
        SCvtF       "f0011110 0t100010 000000nn nnnddddd" { sf: f, t: t, rn: n, rd: d           } FP;
        UCvtF       "f0011110 0t100011 000000nn nnnddddd" { sf: f, t: t, rn: n, rd: d           } FP;
        FCvtAS      "f0011110 0t100100 000000nn nnnddddd" { sf: f, t: t, rn: n, rd: d           } FP;
        FCvtAU      "f0011110 0t100101 000000nn nnnddddd" { sf: f, t: t, rn: n, rd: d           } FP;
        FCvtPS      "f0011110 0t101000 000000nn nnnddddd" { sf: f, t: t, rn: n, rd: d           } FP;
        FCvtPU      "f0011110 0t101001 000000nn nnnddddd" { sf: f, t: t, rn: n, rd: d           } FP;
        FCvtMS      "f0011110 0t110000 000000nn nnnddddd" { sf: f, t: t, rn: n, rd: d           } FP;
        FCvtMU      "f0011110 0t110001 000000nn nnnddddd" { sf: f, t: t, rn: n, rd: d           } FP;
        FCvtZS      "f0011110 0t111000 000000nn nnnddddd" { sf: f, t: t, rn: n, rd: d           } FP;
        FCvtZU      "f0011110 0t111001 000000nn nnnddddd" { sf: f, t: t, rn: n, rd: d           } FP;
        SCvtFFix    "f0011110 0t000010 ggggggnn nnnddddd" { sf: f, t: t, scale: g, rn: n, rd: d } FP if scale_ok;
        UCvtFFix    "f0011110 0t000011 ggggggnn nnnddddd" { sf: f, t: t, scale: g, rn: n, rd: d } FP if scale_ok;
        FCvtZSFix   "f0011110 0t011000 ggggggnn nnnddddd" { sf: f, t: t, scale: g, rn: n, rd: d } FP if scale_ok;
        FCvtZUFix   "f0011110 0t011001 ggggggnn nnnddddd" { sf: f, t: t, scale: g, rn: n, rd: d } FP if scale_ok;
        FMovToGen   "f0011110 0t100110 000000nn nnnddddd" { sf: f, t: t, rn: n, rd: d           } FP if |w| w >> 31 == w >> 22 & 1;
        FMovFromGen "f0011110 0t100111 000000nn nnnddddd" { sf: f, t: t, rn: n, rd: d           } FP if |w| w >> 31 == w >> 22 & 1;
        FMovHiToGen "10011110 10101110 000000nn nnnddddd" { rn: n, rd: d                        } FP;
        FMovGenToHi "10011110 10101111 000000nn nnnddddd" { rn: n, rd: d                        } FP;
        FJCvtZS     "00011110 01111110 000000nn nnnddddd" { rn: n, rd: d                        } JSCVT;
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Half precision.
    FpConvHalf {
        FCvtNS      "f0011110 11100000 000000nn nnnddddd" { sf: f, rn: n, rd: d           } FP16;
        FCvtNU      "f0011110 11100001 000000nn nnnddddd" { sf: f, rn: n, rd: d           } FP16;
        SCvtF       "f0011110 11100010 000000nn nnnddddd" { sf: f, rn: n, rd: d           } FP16;
        UCvtF       "f0011110 11100011 000000nn nnnddddd" { sf: f, rn: n, rd: d           } FP16;
        FCvtAS      "f0011110 11100100 000000nn nnnddddd" { sf: f, rn: n, rd: d           } FP16;
        FCvtAU      "f0011110 11100101 000000nn nnnddddd" { sf: f, rn: n, rd: d           } FP16;
        FCvtPS      "f0011110 11101000 000000nn nnnddddd" { sf: f, rn: n, rd: d           } FP16;
        FCvtPU      "f0011110 11101001 000000nn nnnddddd" { sf: f, rn: n, rd: d           } FP16;
        FCvtMS      "f0011110 11110000 000000nn nnnddddd" { sf: f, rn: n, rd: d           } FP16;
        FCvtMU      "f0011110 11110001 000000nn nnnddddd" { sf: f, rn: n, rd: d           } FP16;
        FCvtZS      "f0011110 11111000 000000nn nnnddddd" { sf: f, rn: n, rd: d           } FP16;
        FCvtZU      "f0011110 11111001 000000nn nnnddddd" { sf: f, rn: n, rd: d           } FP16;
        SCvtFFix    "f0011110 11000010 ggggggnn nnnddddd" { sf: f, scale: g, rn: n, rd: d } FP16 if scale_ok;
        UCvtFFix    "f0011110 11000011 ggggggnn nnnddddd" { sf: f, scale: g, rn: n, rd: d } FP16 if scale_ok;
        FCvtZSFix   "f0011110 11011000 ggggggnn nnnddddd" { sf: f, scale: g, rn: n, rd: d } FP16 if scale_ok;
        FCvtZUFix   "f0011110 11011001 ggggggnn nnnddddd" { sf: f, scale: g, rn: n, rd: d } FP16 if scale_ok;
        FMovToGen   "f0011110 11100110 000000nn nnnddddd" { sf: f, rn: n, rd: d           } FP16;
        FMovFromGen "f0011110 11100111 000000nn nnnddddd" { sf: f, rn: n, rd: d           } FP16;
    }
}
