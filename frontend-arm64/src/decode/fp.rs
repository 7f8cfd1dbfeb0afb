//! Scalar floating point, Arm ARM C4.1.96: data processing, compare, select, immediate (`t`: 0 single, 1 double).
//! Half precision has the same rows with `ftype` 3, gated by FEAT_FP16.

/// FCVT converts between two different formats out of single, double, half.
fn fcvt_ok(w: u32) -> bool {
    let (from, to) = (w >> 22 & 3, w >> 15 & 3);
    from != 2 && to != 2 && from != to
}

#[rustfmt::skip]
crate::rows! {
    /// Single and double precision.
    Fp {
        FMov      "00011110 0t100000 010000nn nnnddddd" { t: t, rn: n, rd: d                   } FP;
        FAbs      "00011110 0t100000 110000nn nnnddddd" { t: t, rn: n, rd: d                   } FP;
        FNeg      "00011110 0t100001 010000nn nnnddddd" { t: t, rn: n, rd: d                   } FP;
        FSqrt     "00011110 0t100001 110000nn nnnddddd" { t: t, rn: n, rd: d                   } FP;
        FRintN    "00011110 0t100100 010000nn nnnddddd" { t: t, rn: n, rd: d                   } FP;
        FRintP    "00011110 0t100100 110000nn nnnddddd" { t: t, rn: n, rd: d                   } FP;
        FRintM    "00011110 0t100101 010000nn nnnddddd" { t: t, rn: n, rd: d                   } FP;
        FRintZ    "00011110 0t100101 110000nn nnnddddd" { t: t, rn: n, rd: d                   } FP;
        FRintA    "00011110 0t100110 010000nn nnnddddd" { t: t, rn: n, rd: d                   } FP;
        FRintX    "00011110 0t100111 010000nn nnnddddd" { t: t, rn: n, rd: d                   } FP;
        FRintI    "00011110 0t100111 110000nn nnnddddd" { t: t, rn: n, rd: d                   } FP;
        FRint32Z  "00011110 0t101000 010000nn nnnddddd" { t: t, rn: n, rd: d                   } FRINTTS;
        FRint32X  "00011110 0t101000 110000nn nnnddddd" { t: t, rn: n, rd: d                   } FRINTTS;
        FRint64Z  "00011110 0t101001 010000nn nnnddddd" { t: t, rn: n, rd: d                   } FRINTTS;
        FRint64X  "00011110 0t101001 110000nn nnnddddd" { t: t, rn: n, rd: d                   } FRINTTS;
        FMul      "00011110 0t1mmmmm 000010nn nnnddddd" { t: t, rm: m, rn: n, rd: d            } FP;
        FDiv      "00011110 0t1mmmmm 000110nn nnnddddd" { t: t, rm: m, rn: n, rd: d            } FP;
        FAdd      "00011110 0t1mmmmm 001010nn nnnddddd" { t: t, rm: m, rn: n, rd: d            } FP;
        FSub      "00011110 0t1mmmmm 001110nn nnnddddd" { t: t, rm: m, rn: n, rd: d            } FP;
        FMax      "00011110 0t1mmmmm 010010nn nnnddddd" { t: t, rm: m, rn: n, rd: d            } FP;
        FMin      "00011110 0t1mmmmm 010110nn nnnddddd" { t: t, rm: m, rn: n, rd: d            } FP;
        FMaxNm    "00011110 0t1mmmmm 011010nn nnnddddd" { t: t, rm: m, rn: n, rd: d            } FP;
        FMinNm    "00011110 0t1mmmmm 011110nn nnnddddd" { t: t, rm: m, rn: n, rd: d            } FP;
        FNMul     "00011110 0t1mmmmm 100010nn nnnddddd" { t: t, rm: m, rn: n, rd: d            } FP;
        FMAdd     "00011111 0t0mmmmm 0aaaaann nnnddddd" { t: t, ra: a, rm: m, rn: n, rd: d     } FP;
        FMSub     "00011111 0t0mmmmm 1aaaaann nnnddddd" { t: t, ra: a, rm: m, rn: n, rd: d     } FP;
        FNMAdd    "00011111 0t1mmmmm 0aaaaann nnnddddd" { t: t, ra: a, rm: m, rn: n, rd: d     } FP;
        FNMSub    "00011111 0t1mmmmm 1aaaaann nnnddddd" { t: t, ra: a, rm: m, rn: n, rd: d     } FP;
        FCmp      "00011110 0t1mmmmm 001000nn nnn00000" { t: t, rm: m, rn: n                   } FP;
        FCmpZero  "00011110 0t1xxxxx 001000nn nnn01000" { t: t, rn: n                          } FP;
        FCmpE     "00011110 0t1mmmmm 001000nn nnn10000" { t: t, rm: m, rn: n                   } FP;
        FCmpEZero "00011110 0t1xxxxx 001000nn nnn11000" { t: t, rn: n                          } FP;
        FCcmp     "00011110 0t1mmmmm cccc01nn nnn0kkkk" { t: t, cond: c, nzcv: k, rm: m, rn: n } FP;
        FCcmpE    "00011110 0t1mmmmm cccc01nn nnn1kkkk" { t: t, cond: c, nzcv: k, rm: m, rn: n } FP;
        FCsel     "00011110 0t1mmmmm cccc11nn nnnddddd" { t: t, cond: c, rm: m, rn: n, rd: d   } FP;
        FMovImm   "00011110 0t1PPPPP PPP10000 000ddddd" { t: t, imm8: P, rd: d                 } FP;
        FCvt      "00011110 ee10001o o10000nn nnnddddd" { ftype: e, opc: o, rn: n, rd: d       } FP if fcvt_ok;
        BFCvt     "00011110 01100011 010000nn nnnddddd" { rn: n, rd: d                         } BF16;
    }
}

#[rustfmt::skip]
crate::rows! {
    /// Half precision.
    FpHalf {
        FMov      "00011110 11100000 010000nn nnnddddd" { rn: n, rd: d                   } FP16;
        FAbs      "00011110 11100000 110000nn nnnddddd" { rn: n, rd: d                   } FP16;
        FNeg      "00011110 11100001 010000nn nnnddddd" { rn: n, rd: d                   } FP16;
        FSqrt     "00011110 11100001 110000nn nnnddddd" { rn: n, rd: d                   } FP16;
        FRintN    "00011110 11100100 010000nn nnnddddd" { rn: n, rd: d                   } FP16;
        FRintP    "00011110 11100100 110000nn nnnddddd" { rn: n, rd: d                   } FP16;
        FRintM    "00011110 11100101 010000nn nnnddddd" { rn: n, rd: d                   } FP16;
        FRintZ    "00011110 11100101 110000nn nnnddddd" { rn: n, rd: d                   } FP16;
        FRintA    "00011110 11100110 010000nn nnnddddd" { rn: n, rd: d                   } FP16;
        FRintX    "00011110 11100111 010000nn nnnddddd" { rn: n, rd: d                   } FP16;
        FRintI    "00011110 11100111 110000nn nnnddddd" { rn: n, rd: d                   } FP16;
        FMul      "00011110 111mmmmm 000010nn nnnddddd" { rm: m, rn: n, rd: d            } FP16;
        FDiv      "00011110 111mmmmm 000110nn nnnddddd" { rm: m, rn: n, rd: d            } FP16;
        FAdd      "00011110 111mmmmm 001010nn nnnddddd" { rm: m, rn: n, rd: d            } FP16;
        FSub      "00011110 111mmmmm 001110nn nnnddddd" { rm: m, rn: n, rd: d            } FP16;
        FMax      "00011110 111mmmmm 010010nn nnnddddd" { rm: m, rn: n, rd: d            } FP16;
        FMin      "00011110 111mmmmm 010110nn nnnddddd" { rm: m, rn: n, rd: d            } FP16;
        FMaxNm    "00011110 111mmmmm 011010nn nnnddddd" { rm: m, rn: n, rd: d            } FP16;
        FMinNm    "00011110 111mmmmm 011110nn nnnddddd" { rm: m, rn: n, rd: d            } FP16;
        FNMul     "00011110 111mmmmm 100010nn nnnddddd" { rm: m, rn: n, rd: d            } FP16;
        FMAdd     "00011111 110mmmmm 0aaaaann nnnddddd" { ra: a, rm: m, rn: n, rd: d     } FP16;
        FMSub     "00011111 110mmmmm 1aaaaann nnnddddd" { ra: a, rm: m, rn: n, rd: d     } FP16;
        FNMAdd    "00011111 111mmmmm 0aaaaann nnnddddd" { ra: a, rm: m, rn: n, rd: d     } FP16;
        FNMSub    "00011111 111mmmmm 1aaaaann nnnddddd" { ra: a, rm: m, rn: n, rd: d     } FP16;
        FCmp      "00011110 111mmmmm 001000nn nnn00000" { rm: m, rn: n                   } FP16;
        FCmpZero  "00011110 111xxxxx 001000nn nnn01000" { rn: n                          } FP16;
        FCmpE     "00011110 111mmmmm 001000nn nnn10000" { rm: m, rn: n                   } FP16;
        FCmpEZero "00011110 111xxxxx 001000nn nnn11000" { rn: n                          } FP16;
        FCcmp     "00011110 111mmmmm cccc01nn nnn0kkkk" { cond: c, nzcv: k, rm: m, rn: n } FP16;
        FCcmpE    "00011110 111mmmmm cccc01nn nnn1kkkk" { cond: c, nzcv: k, rm: m, rn: n } FP16;
        FCsel     "00011110 111mmmmm cccc11nn nnnddddd" { cond: c, rm: m, rn: n, rd: d   } FP16;
        FMovImm   "00011110 111PPPPP PPP10000 000ddddd" { imm8: P, rd: d                 } FP16;
    }
}
