//! The decode table against yaxpeax-arm, which is present everywhere, in both directions, but for the differences listed here.
//!
//! What it rejects though valid are rows that it lacks. What it accepts though UNDEFINED (one word in eight) is listed by class of the
//! encoding, reason and mnemonic; that those words are UNDEFINED, objdump says too (`decode_objdump.rs`, over the same kind of words).
//!
//! `METAPHRASE_DECODE_WORDS` is the number of words for each row, `METAPHRASE_DECODE_SEED` another sequence.

mod common;

use common::{ALL_FEATURES, structured_words};
use metaphrase_arm64::arch::features::Feat;
use metaphrase_arm64::decode::{self, Undecoded};
use std::collections::BTreeMap;
use yaxpeax_arch::{Arch, Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::ARMv8;

/// Features that yaxpeax-arm 0.5.0 does not know.
const LACKING: &[Feat] = &[
    Feat::CSSC,
    Feat::BF16,
    Feat::I8MM,
    Feat::WFXT,
    Feat::XS,
    Feat::MOPS,
];
/// Other rows that it refuses: the vector forms of FEAT_FHM and of two of FEAT_FRINTTS; address tags; SETG*.
const REFUSED: &[&str] = &[
    "FMlal", "FMlal2", "FMlsl", "FMlsl2", "FRint32X", "FRint64X", "Addg", "Subg", "Setg",
];

/// What it accepts though UNDEFINED: op0 of the encoding (bits 28..25), why, and the mnemonics that it gives.
#[rustfmt::skip]
const ACCEPTED: &[(&[u32], &str, &str)] = &[
    (&[0b0000], "UDF with a nonzero upper half",
        "UDF"),
    (&[0b0100, 0b0110, 0b1001, 0b0111], "says Ok with Opcode::Invalid",
        "Invalid"),
    (&[0b1010, 0b1011, 0b1001, 0b1101], "FEAT_PAuth_LR (v9.5), outside this table",
        "AUTIA171615 AUTIASPPC AUTIASPPCR AUTIB171615 AUTIBSPPC AUTIBSPPCR PACIA171615 PACIASPPC \
        PACIB171615 PACIBSPPC PACNBIASPPC PACNBIBSPPC RETAASPPC RETAASPPCR RETABSPPC RETABSPPCR"),
    (&[0b1010], "PSTATE fields and op0 = 00 that are no register; SB with CRm",
        "MSR SB"),
    (&[0b1001], "reserved bitmask immediates, hw of a W register",
        "AND ANDS EOR MOVK MOVN MOVZ ORR"),
    (&[0b0101], "W shifts from 32 up, ROR in additions, extended shifts above 4",
        "ADD ADDS AND ANDS BIC BICS EON EOR ORN ORR SUB SUBS"),
    (&[0b1101], "reserved bits of conditional, one- and two-source operations",
        "ADC ADCS ASRV AUTDA AUTDB AUTDZA AUTDZB AUTIA AUTIB AUTIZA AUTIZB CCMN CCMP CLS CLZ CRC32B CRC32CB CRC32CH \
        CRC32CW CRC32CX CRC32H CRC32W CRC32X CSEL CSINC CSINV CSNEG GMI IRG LSLV LSRV PACDA PACDB PACDZA PACDZB PACGA \
        PACIA PACIB PACIZA PACIZB RBIT REV REV16 REV32 RMIF RORV SBC SBCS SDIV SUBP SUBPS UDIV XPACD XPACI"),
    (&[0b1110], "register offsets with a reserved extension",
        "LDR STR"),
    (&[0b0110], "reserved bits of structure loads and stores",
        "LD1 LD1R LD2 LD2R LD3 LD3R LD4 LD4R ST1 ST2 ST3 ST4"),
    (&[0b0111], "vectors: .1d and reserved sizes, Q = 0 of whole-register forms, reserved bits",
        "ADD ADDP BCAX BIC CMEQ CMGE CMGT CMHI CMHS CMTST DUP EOR3 FABD FABS FACGE FACGT FADD FADDP FCADD FCMEQ FCMGE \
        FCMGT FCMLA FCMLE FCMLT FCVTXN FCVTXN2 FDIV FMAX FMAXNM FMAXNMP FMAXP FMIN FMINNM FMINNMP FMINNMV FMINP FMINV \
        FMLA FMLAL FMLS FMLSL FMOV FMUL FMULX FNEG FRECPS FRSQRTS FSUB INS MLA MLS MOVI MUL MVNI ORR PMUL RAX1 REV32 \
        SABA SABD SDOT SHA512H SHA512H2 SHA512SU0 SHA512SU1 SHADD SHSUB SM3PARTW1 SM3PARTW2 SM3SS1 SM4E SM4EKEY SMAX \
        SMAXP SMIN SMINP SMOV SQADD SQDMLAL SQDMLAL2 SQDMLSL SQDMLSL2 SQDMULH SQDMULL SQDMULL2 SQRDMULH SQRSHL SQSHL \
        SQSUB SRHADD SRSHL SSHL SSHLL2 SUB UABA UABD UDOT UHADD UHSUB UMAX UMAXP UMIN UMINP UMOV UQADD UQRSHL UQSHL \
        UQSUB URECPE URHADD URSHL URSQRTE USHL USHLL2"),
    (&[0b1111], "scalars: reserved sizes, scales and bits",
        "ABS ADD BFCVT CMEQ CMGE CMGT CMHI CMHS CMLE CMLT CMTST FADDP FCMP FCMPE FCVTZS FCVTZU FMAXNMP FMAXP FMINNMP \
        FMINP FRINT32X FRINT32Z FRINT64X FRINT64Z NEG SCVTF SQDMULH SQRDMLAH SQRDMLSH SQRDMULH SRSHL SSHL SUB UCVTF \
        URSHL USHL"),
];

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |s| s.parse().expect(name))
}

/// Why the word, which we refuse, is accepted.
fn accepted(w: u32, opcode: &str) -> Option<&'static str> {
    let fits = |a: &&(&[u32], &str, &str)| {
        a.0.contains(&(w >> 25 & 15)) && a.2.split(' ').any(|o| o == opcode)
    };
    ACCEPTED.iter().find(fits).map(|a| a.1)
}

#[test]
fn agrees_with_yaxpeax() {
    let decoder = <ARMv8 as Arch>::Decoder::default();
    let mut wrong: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut listed: BTreeMap<&str, u32> = BTreeMap::new();
    let n = number("METAPHRASE_DECODE_WORDS", 20);
    let words = structured_words(n, u64::from(number("METAPHRASE_DECODE_SEED", 0xa5a5)));
    for &w in &words {
        let row = match decode::row_of(w, ALL_FEATURES) {
            Ok(row) => Ok((row.name, LACKING.contains(&row.feat))),
            Err(Undecoded::Unimplemented(name)) => Ok((name, false)),
            Err(e) => Err(e),
        };
        let theirs = decoder.decode(&mut U8Reader::new(&w.to_le_bytes()));
        let (known, what) = match (row, theirs) {
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => continue,
            // Refused by choice (decision 11).
            (Err(Undecoded::Unpredictable), Ok(_)) => continue,
            (Ok((name, lacking)), Err(_)) => {
                let known = lacking || REFUSED.contains(&name);
                (known.then_some("rows that it lacks"), name.to_string())
            }
            (Err(_), Ok(i)) => {
                let opcode = format!("{:?}", i.opcode);
                (accepted(w, &opcode), format!("undefined / {opcode}"))
            }
        };
        match known {
            Some(why) => *listed.entry(why).or_default() += 1,
            None => wrong.entry(what).or_insert((0, w)).0 += 1,
        }
    }
    println!("{} words compared with yaxpeax-arm", words.len());
    for (why, n) in &listed {
        println!("  {n} known: {why}");
    }
    let list: Vec<String> = wrong
        .iter()
        .map(|(k, (n, w))| format!("{k}: {n} e.g. {w:08x}"))
        .collect();
    assert!(wrong.is_empty(), "{}", list.join("\n"));
    // Each entry of the list is met.
    assert_eq!(listed.len(), ACCEPTED.len() + 1);
}
