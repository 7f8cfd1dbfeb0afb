//! THE op list: name, arguments, result, attributes, effects, meaning. Everything that asks "what does this op do?" asks
//! these rows; no pass keeps a list of its own.
//!
//! Conventions:
//! * `T` is the instruction's result type. Integer ops are `I32` or `I64`, scalar FP ops `F32` or `F64`, vectors `V128`.
//! * Vector lanes beyond the op's [`crate::Shape`] are not evaluated and are zero in the result.
//! * Guest memory accesses of one guest instruction come before all its `Set`s, so that a fault leaves the
//!   state as it was at the last `Mark`.
//! * Half-precision scalars are the low 16 bits of an `I32`, or lane 0 of a vector op with shape `H1`.

pub use crate::ops_vector::{VBinKind, VRedKind, VShiftKind, VTernKind, VUnKind};

bitflags::bitflags! {
    /// What an op touches besides its arguments.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Effects: u16 {
        /// Reads the slot in `imm`.
        const READ_SLOT = 1;
        /// Writes the slot in `imm`.
        const WRITE_SLOT = 2;
        /// Reads guest memory; may fault.
        const LOAD = 4;
        /// Writes guest memory; may fault.
        const STORE = 8;
        /// Orders memory accesses.
        const FENCE = 16;
        /// Reads FPCR and accumulates into FPSR.
        const FPENV = 32;
        /// Reads and writes any slot (helpers on the whole state).
        const STATE = 64;
        /// Must stay although nobody uses the result, for a reason not listed above.
        const KEEP = 128;
        /// Accumulates into FPSR.QC only.
        const QC = 256;
    }
}

/// How many arguments, and which types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Res {
    /// No result.
    Void,
    /// `I32` or `I64`.
    Int,
    /// `F32` or `F64`.
    Float,
    /// A truth value.
    Bool,
    /// `V128`.
    Vec,
    /// `Flags`.
    Flags,
    /// `I32`.
    I32,
    /// `I64`.
    I64,
    /// Any type that a value may have; the op's doc says which.
    Any,
}

/// What `aux` holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuxFmt {
    /// Zero.
    None,
    /// A packed [`crate::MemInfo`].
    Mem,
    /// [`IntCond`].
    IntCond,
    /// [`crate::Cond`].
    Cond,
    /// [`crate::Shape`].
    Shape,
    /// [`crate::Shape`] in bits 7..0, [`VUnKind`] in 15..8.
    VUn,
    /// [`crate::Shape`], [`VBinKind`].
    VBin,
    /// [`crate::Shape`], [`VTernKind`].
    VTern,
    /// [`crate::Shape`], [`VShiftKind`].
    VShift,
    /// [`crate::Shape`], [`VRedKind`].
    VRed,
    /// [`Rmw`] in bits 15..12, a packed [`crate::MemInfo`] below.
    Rmw,
    /// [`Round`] in bits 3..0; bit 4: signed integer (conversions), bit 5: exact (FRINTX: raise Inexact).
    Round,
    /// [`Fence`].
    Fence,
    /// A plain number, described by the op.
    Number,
}

/// What `imm` holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImmFmt {
    /// Zero.
    None,
    /// A slot number.
    Slot,
    /// A plain number.
    Number,
    /// A guest address.
    Pc,
    /// A signed address offset.
    Offset,
    /// Lane number.
    Lane,
    /// Index into [`crate::Unit::consts`].
    ConstPool,
    /// [`crate::helper::HelperId`].
    Helper,
    /// Packed NZCV, bits 31..28.
    Nzcv,
}

/// One row of the op list.
#[derive(Debug)]
pub struct OpInfo {
    /// Name in the text form.
    pub name: &'static str,
    /// Number of arguments (`Call` takes what its helper's row says).
    pub args: u8,
    /// Result.
    pub res: Res,
    /// Effects.
    pub effects: Effects,
    /// Meaning of `aux`.
    pub aux: AuxFmt,
    /// Meaning of `imm`.
    pub imm: ImmFmt,
}

macro_rules! ops {
    ($( $(#[$doc:meta])* $op:ident $text:literal $args:literal $res:ident [$($eff:ident)*] $aux:ident $imm:ident; )*) => {
        /// An operation.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u16)]
        pub enum Op { $( $(#[$doc])* $op, )* }

        impl Op {
            /// Every op, in order.
            pub const ALL: &'static [Op] = &[$(Op::$op,)*];
            const INFO: &'static [OpInfo] = &[$(
                OpInfo {
                    name: $text, args: $args, res: Res::$res,
                    effects: Effects::empty()$(.union(Effects::$eff))*,
                    aux: AuxFmt::$aux, imm: ImmFmt::$imm,
                },
            )*];
            /// The op's row.
            pub const fn info(self) -> &'static OpInfo { &Self::INFO[self as usize] }
        }
    };
}

ops! {
    /// Removed by a pass; means nothing.
    Nop        "nop"         0 Void  []            None Number;
    /// A guest instruction starts: `imm` is its address. Faults and traps that follow report it.
    Mark       "mark"        0 Void  [KEEP]        None Pc;

    // ---- guest state ----
    /// Value of a slot.
    Get        "get"         0 Any   [READ_SLOT]   None Slot;
    /// Slot = a.
    Set        "set"         1 Void  [WRITE_SLOT]  None Slot;
    /// Calls the helper in `imm` with up to 4 arguments; effects and types by [`crate::helper`]. `aux` is a constant handed to it.
    Call       "call"        0 Any   [STATE LOAD STORE] Number Helper;

    // ---- constants and moves ----
    /// Integer constant (I32: low half; Bool: bit 0; F32/F64: the bits).
    Const      "const"       0 Any   []            None Number;
    /// 128-bit constant.
    ConstV     "const.v"     0 Vec   []            None ConstPool;
    /// a if c else b: args (c: Bool, a, b), of type T (not Flags).
    Select     "select"      3 Any   []            None None;
    /// Low half of an I64.
    Trunc      "trunc"       1 I32   []            None None;
    /// I32 to I64.
    Zext       "zext"        1 I64   []            None None;
    /// I32 to I64.
    Sext       "sext"        1 I64   []            None None;
    /// Sign-extends the low `imm` (8 or 16, or 32 for I64) bits of a within T.
    SextLow    "sext_low"    1 Int   []            None Number;
    /// Bool to 0 or 1.
    BoolToInt  "bool_int"    1 Int   []            None None;
    /// Reinterprets bits between I32 and F32, I64 and F64.
    Bitcast    "bitcast"     1 Any   []            None None;

    // ---- integers ----
    /// a + b.
    Add        "add"         2 Int   []            None None;
    /// a - b.
    Sub        "sub"         2 Int   []            None None;
    /// a * b, low part.
    Mul        "mul"         2 Int   []            None None;
    /// High 64 bits of the unsigned product.
    UMulH      "umulh"       2 I64   []            None None;
    /// High 64 bits of the signed product.
    SMulH      "smulh"       2 I64   []            None None;
    /// a / b unsigned; 0 when b is 0.
    UDiv       "udiv"        2 Int   []            None None;
    /// a / b signed, towards zero; 0 when b is 0; MIN / -1 = MIN.
    SDiv       "sdiv"        2 Int   []            None None;
    /// a & b.
    And        "and"         2 Int   []            None None;
    /// a | b.
    Or         "or"          2 Int   []            None None;
    /// a ^ b.
    Xor        "xor"         2 Int   []            None None;
    /// a & !b.
    AndNot     "andn"        2 Int   []            None None;
    /// a | !b.
    OrNot      "orn"         2 Int   []            None None;
    /// a ^ !b.
    XorNot     "xorn"        2 Int   []            None None;
    /// !a.
    Not        "not"         1 Int   []            None None;
    /// -a.
    Neg        "neg"         1 Int   []            None None;
    /// a << (b mod width); b has type T.
    Shl        "shl"         2 Int   []            None None;
    /// Logical right shift by b mod width.
    Lshr       "lshr"        2 Int   []            None None;
    /// Arithmetic right shift by b mod width.
    Ashr       "ashr"        2 Int   []            None None;
    /// Rotate right by b mod width.
    Ror        "ror"         2 Int   []            None None;
    /// a << imm.
    ShlI       "shl_i"       1 Int   []            None Number;
    /// a >> imm, logical.
    LshrI      "lshr_i"      1 Int   []            None Number;
    /// a >> imm, arithmetic.
    AshrI      "ashr_i"      1 Int   []            None Number;
    /// a rotated right by imm.
    RorI       "ror_i"       1 Int   []            None Number;
    /// Low part of (a : b) >> imm, a the high half; imm below the width.
    Extr       "extr"        2 Int   []            None Number;
    /// Leading zeros (width if a is 0).
    Clz        "clz"         1 Int   []            None None;
    /// Leading sign bits, the sign bit itself not counted.
    Cls        "cls"         1 Int   []            None None;
    /// Bits reversed.
    Rbit       "rbit"        1 Int   []            None None;
    /// Bytes reversed.
    Bswap      "bswap"       1 Int   []            None None;
    /// Bytes reversed within each 16 bits.
    Rev16      "rev16"       1 Int   []            None None;
    /// Bytes reversed within each 32 bits.
    Rev32      "rev32"       1 I64   []            None None;
    /// Population count.
    Popcnt     "popcnt"      1 Int   []            None None;
    /// CRC32 of b's low `8 << aux` bits into the I32 a; imm 0: polynomial 0x04C11DB7, 1: 0x1EDC6F41. b is I32 or I64.
    Crc32      "crc32"       2 I32   []            Number Number;
    /// Comparison of two integers of one type.
    Icmp       "icmp"        2 Bool  []            IntCond None;
    /// a & b, a | b, a ^ b, !a on Bools are `BAnd`, `BOr`, `BXor`, `BNot`.
    BAnd       "band"        2 Bool  []            None None;
    /// See `BAnd`.
    BOr        "bor"         2 Bool  []            None None;
    /// See `BAnd`.
    BXor       "bxor"        2 Bool  []            None None;
    /// See `BAnd`.
    BNot       "bnot"        1 Bool  []            None None;

    // ---- flags ----
    /// Flags of a - b (I32 or I64).
    FlagsSub   "flags.sub"   2 Flags []            None None;
    /// Flags of a + b.
    FlagsAdd   "flags.add"   2 Flags []            None None;
    /// Flags of a + b + c, c a Bool. (SBC: b inverted.)
    FlagsAdc   "flags.adc"   3 Flags []            None None;
    /// N and Z of a; C = V = 0.
    FlagsLogic "flags.logic" 1 Flags []            None None;
    /// FCMP (aux 0) or FCMPE (aux 1: any NaN is Invalid) of two floats.
    FlagsFcmp  "flags.fcmp"  2 Flags [FPENV]       Number None;
    /// From packed NZCV (I32, bits 31..28).
    FlagsPack  "flags.pack"  1 Flags []            None None;
    /// f if c else the constant NZCV in imm: args (c: Bool, f: Flags).
    FlagsSelect "flags.select" 2 Flags []          None Nzcv;
    /// Packed NZCV (I32, bits 31..28, others 0).
    FlagsUnpack "flags.unpack" 1 I32 []            None None;
    /// Whether a condition holds on Flags.
    CondHolds  "cond"        1 Bool  []            Cond None;

    // ---- memory ----
    /// Loads from a + imm; T is I32, I64 (extended from the size as aux says), F32, F64 or V128 (zero-extended).
    Load       "load"        1 Any   [LOAD]        Mem  Offset;
    /// Stores b at a + imm: args (a: I64, b). Integers store their low `size` bytes; V128 with size < 4 its low bytes.
    Store      "store"       2 Void  [STORE]       Mem  Offset;
    /// Atomic read-modify-write: args (addr, operand); result: the old value, zero-extended.
    AtomicRmw  "rmw"         2 Int   [LOAD STORE]  Rmw  None;
    /// Compare and swap: args (addr, expected, new); result: the old value. T: I32, I64, V128 (16 bytes).
    AtomicCas  "cas"         3 Any   [LOAD STORE]  Mem  None;
    /// Store-exclusive: args (addr, new, monitor address, monitor value). Result I32: 0 stored, 1 not. Stores only if addr
    /// equals the monitor address and memory still holds the monitor value.
    StoreExcl  "stxr"        4 I32   [LOAD STORE]  Mem  None;
    /// Barrier.
    FenceOp    "fence"       0 Void  [FENCE]       Fence None;
    /// Zeroes `imm` bytes (a power of two) at a rounded down to that size (DC ZVA).
    ZeroBlock  "zero_block"  1 Void  [STORE]       None Number;

    // ---- scalar floating point (IEEE by the Arm ARM: FPCR decides rounding, flushing and NaNs) ----
    /// a + b.
    FAdd       "fadd"        2 Float [FPENV]       None None;
    /// a - b.
    FSub       "fsub"        2 Float [FPENV]       None None;
    /// a * b.
    FMul       "fmul"        2 Float [FPENV]       None None;
    /// a * b with infinity times zero = 2.
    FMulX      "fmulx"       2 Float [FPENV]       None None;
    /// a / b.
    FDiv       "fdiv"        2 Float [FPENV]       None None;
    /// FPMax.
    FMax       "fmax"        2 Float [FPENV]       None None;
    /// FPMin.
    FMin       "fmin"        2 Float [FPENV]       None None;
    /// FPMaxNum.
    FMaxNm     "fmaxnm"      2 Float [FPENV]       None None;
    /// FPMinNum.
    FMinNm     "fminnm"      2 Float [FPENV]       None None;
    /// Square root.
    FSqrt      "fsqrt"       1 Float [FPENV]       None None;
    /// Sign bit inverted (FPNeg: also of NaNs).
    FNeg       "fneg"        1 Float []            None None;
    /// Sign bit cleared.
    FAbs       "fabs"        1 Float []            None None;
    /// a + b * c, rounded once: args (a, b, c) (FPMulAdd(addend, op1, op2)).
    FMulAdd    "fmuladd"     3 Float [FPENV]       None None;
    /// Rounds to an integral value.
    FRint      "frint"       1 Float [FPENV]       Round None;
    /// FRINT32/64: imm is 32 or 64; rounding by aux (X: current mode, Z: towards zero).
    FRintN     "frintn"      1 Float [FPENV]       Round Number;
    /// F32 to F64, F64 to F32.
    FCvt       "fcvt"        1 Float [FPENV]       None None;
    /// Half (I32, low 16 bits) to F32/F64.
    FCvtFromH  "fcvt_from_h" 1 Float [FPENV]       None None;
    /// F32/F64 to half (I32, upper bits zero).
    FCvtToH    "fcvt_to_h"   1 I32   [FPENV]       None None;
    /// F64 to F32 rounded to odd (FCVTXN).
    FCvtXn     "fcvtxn"      1 Float [FPENV]       None None;
    /// To integer T with saturation; imm: fraction bits (0 = integer).
    FToInt     "f_to_int"    1 Int   [FPENV]       Round Number;
    /// Integer a (I32/I64, signed by aux bit 4) to float; imm: fraction bits.
    IntToF     "int_to_f"    1 Float [FPENV]       Round Number;
    /// Integer a to half (I32, upper bits zero), rounded once; `aux` and `imm` as of `IntToF`.
    IntToH     "int_to_h"    1 I32   [FPENV]       Round Number;
    /// FJCVTZS: F64 to I32 modulo 2^32; args (a). The Z flag comes from `FJcvtZ`.
    FJcvt      "fjcvt"       1 I32   [FPENV]       None None;
    /// Whether FJCVTZS's conversion of a was exact (its Z flag); no effects.
    FJcvtZ     "fjcvt_z"     1 Bool  []            None None;
    /// Reciprocal estimate.
    FRecpE     "frecpe"      1 Float [FPENV]       None None;
    /// Reciprocal exponent.
    FRecpX     "frecpx"      1 Float [FPENV]       None None;
    /// Reciprocal step.
    FRecpS     "frecps"      2 Float [FPENV]       None None;
    /// Reciprocal square root estimate.
    FRsqrtE    "frsqrte"     1 Float [FPENV]       None None;
    /// Reciprocal square root step.
    FRsqrtS    "frsqrts"     2 Float [FPENV]       None None;

    // ---- vectors ----
    /// Lane `imm` of a: T is I32/I64 (zero-extended), F32 or F64 by shape's lane size.
    VLane      "vlane"       1 Any   []            Shape Lane;
    /// Lane `imm`, sign-extended to T (I32/I64).
    VLaneS     "vlane_s"     1 Int   []            Shape Lane;
    /// a with lane `imm` replaced by b's low bits: args (a: V128, b: I32/I64/F32/F64).
    VInsert    "vinsert"     2 Vec   []            Shape Lane;
    /// All lanes of the shape = a's low bits (I32/I64/F32/F64); lanes beyond zero.
    VDup       "vdup"        1 Vec   []            Shape None;
    /// Lane 0 = a's low bits (I32/I64/F32/F64), everything above zero. Shape is a one-lane shape.
    VScalar    "vscalar"     1 Vec   []            Shape None;
    /// Low 64 bits kept, high 64 bits zero.
    VZeroHi    "vzero_hi"    1 Vec   []            None None;
    /// Vector from two I64: low a, high b.
    VPair      "vpair"       2 Vec   []            None None;
    /// One-operand lane operation.
    VUn        "vun"         1 Vec   [FPENV QC]    VUn  None;
    /// Two-operand lane operation.
    VBin       "vbin"        2 Vec   [FPENV QC]    VBin None;
    /// Three-operand lane operation: args (accumulator or first, n, m). `imm`: element index of SM3TT*, else 0.
    VTern      "vtern"       3 Vec   [FPENV QC]    VTern Number;
    /// Shift of a by the constant imm; kinds that insert or accumulate take the old destination as second argument.
    VShift     "vshift"      2 Vec   [FPENV QC]    VShift Number;
    /// Across lanes: result in lane 0, everything above zero.
    VRed       "vred"        1 Vec   [FPENV]       VRed None;
    /// Byte i of the result = byte mask[i] of (b : a): 0..=15 from a, 16..=31 from b, others zero; mask in the constant pool.
    VShuffle   "vshuffle"    2 Vec   []            None ConstPool;
    /// Table look-up, bytes: args (t0, t1, index): index 0..=31 selects from (t1 : t0), others give 0.
    VTbl       "vtbl"        3 Vec   []            None None;
}

/// Integer comparison.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "usual names")]
pub enum IntCond {
    Eq = 0,
    Ne,
    Ult,
    Ule,
    Ugt,
    Uge,
    Slt,
    Sle,
    Sgt,
    Sge,
}

impl IntCond {
    /// All, in encoding order.
    pub const ALL: [IntCond; 10] = [
        IntCond::Eq,
        IntCond::Ne,
        IntCond::Ult,
        IntCond::Ule,
        IntCond::Ugt,
        IntCond::Uge,
        IntCond::Slt,
        IntCond::Sle,
        IntCond::Sgt,
        IntCond::Sge,
    ];
    /// From `aux`.
    pub const fn from_bits(b: u32) -> IntCond {
        IntCond::ALL[if b < 10 { b as usize } else { 0 }]
    }
}

/// Rounding of a conversion or FRINT.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Round {
    /// To nearest, ties to even (N).
    TieEven = 0,
    /// Towards plus infinity (P).
    PosInf = 1,
    /// Towards minus infinity (M).
    NegInf = 2,
    /// Towards zero (Z).
    Zero = 3,
    /// To nearest, ties away from zero (A).
    TieAway = 4,
    /// As FPCR.RMode says (I, X).
    Current = 5,
    /// To odd (FCVTXN).
    Odd = 6,
}

impl Round {
    /// From the low 4 bits of `aux`; out of range gives `Current`.
    pub const fn from_bits(b: u32) -> Round {
        match b & 15 {
            0 => Round::TieEven,
            1 => Round::PosInf,
            2 => Round::NegInf,
            3 => Round::Zero,
            4 => Round::TieAway,
            6 => Round::Odd,
            _ => Round::Current,
        }
    }
    /// `aux` bit: the integer is signed.
    pub const SIGNED: u32 = 1 << 4;
    /// `aux` bit: raise Inexact (FRINTX).
    pub const EXACT: u32 = 1 << 5;
}

/// Atomic read-modify-write operations (LSE).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "the manual's names")]
pub enum Rmw {
    Add = 0,
    /// Memory & !operand.
    Clr,
    Eor,
    Set,
    Smax,
    Smin,
    Umax,
    Umin,
    Swp,
}

impl Rmw {
    /// All, in encoding order.
    pub const ALL: [Rmw; 9] = [
        Rmw::Add,
        Rmw::Clr,
        Rmw::Eor,
        Rmw::Set,
        Rmw::Smax,
        Rmw::Smin,
        Rmw::Umax,
        Rmw::Umin,
        Rmw::Swp,
    ];
    /// From bits 15..12 of `aux`.
    pub const fn from_aux(aux: u32) -> Rmw {
        let i = (aux >> 12 & 15) as usize;
        Rmw::ALL[if i < 9 { i } else { 0 }]
    }
    /// The result of the operation on memory value `m` and operand `v`, both `bits` wide (zero-extended).
    pub fn apply(self, m: u64, v: u64, bits: u32) -> u64 {
        let s = 64 - bits;
        let (ms, vs) = (((m << s) as i64) >> s, ((v << s) as i64) >> s);
        let (m, v) = (m << s >> s, v << s >> s);
        let r = match self {
            Rmw::Add => m.wrapping_add(v),
            Rmw::Clr => m & !v,
            Rmw::Eor => m ^ v,
            Rmw::Set => m | v,
            Rmw::Smax => {
                if ms > vs {
                    m
                } else {
                    v
                }
            }
            Rmw::Smin => {
                if ms < vs {
                    m
                } else {
                    v
                }
            }
            Rmw::Umax => m.max(v),
            Rmw::Umin => m.min(v),
            Rmw::Swp => v,
        };
        r << s >> s
    }
}

/// Barrier strength.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Fence {
    /// Loads before are ordered with loads and stores after (DMB LD).
    Load = 0,
    /// Stores with stores (DMB ST).
    Store = 1,
    /// Everything with everything (DMB SY, DSB).
    Full = 2,
}

impl Fence {
    /// From `aux`.
    pub const fn from_bits(b: u32) -> Fence {
        match b {
            0 => Fence::Load,
            1 => Fence::Store,
            _ => Fence::Full,
        }
    }
}
