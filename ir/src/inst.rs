//! The instruction record: one fixed format for every operation.

use crate::ops::Op;
use crate::types::Type;

/// A value: the index of the instruction in the unit that defines it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Value(pub u32);

impl Value {
    /// Stands in unused argument places.
    pub const NONE: Value = Value(u32::MAX);
}

/// One instruction. What `aux` and `imm` mean is said by the op's row ([`crate::ops::AuxFmt`], [`crate::ops::ImmFmt`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inst {
    /// Operation.
    pub op: Op,
    /// Result type (`Void` if none). For `FlagsSub` and the like, whose result is `Flags`, the width is that of `args[0]`.
    pub ty: Type,
    /// Packed attributes.
    pub aux: u32,
    /// Arguments; unused places hold [`Value::NONE`].
    pub args: [Value; 4],
    /// Immediate.
    pub imm: u64,
}

/// Memory-ordering strength of an access (Arm ARM B2.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Order {
    /// No ordering.
    Plain = 0,
    /// LDAR, LDAXR: load-acquire (not passed by an earlier store-release).
    Acquire = 1,
    /// LDAPR: load-acquire, may be reordered before an earlier store-release to another address.
    AcquirePc = 2,
    /// STLR, STLXR: store-release.
    Release = 3,
    /// Both (atomics with A and L).
    AcqRel = 4,
}

/// Attributes of a memory access, packed into `aux`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemInfo {
    /// log2 of the size in bytes: 0..=4.
    pub size: u8,
    /// Whether a load sign-extends to the result type (else it zero-extends).
    pub signed: bool,
    /// Ordering.
    pub order: Order,
    /// LDTR/STTR: checked as an unprivileged access.
    pub unpriv: bool,
    /// Whether a misaligned address is an alignment fault whatever SCTLR_EL1.A says (exclusives, ordered accesses that
    /// cross 16 bytes).
    pub aligned: bool,
}

impl MemInfo {
    /// A plain access of `1 << size` bytes.
    pub const fn plain(size: u8) -> MemInfo {
        MemInfo {
            size,
            signed: false,
            order: Order::Plain,
            unpriv: false,
            aligned: false,
        }
    }
    /// The same, sign-extending.
    pub const fn sext(mut self) -> MemInfo {
        self.signed = true;
        self
    }
    /// The same with another ordering.
    pub const fn order(mut self, order: Order) -> MemInfo {
        self.order = order;
        self
    }
    /// The same, with the alignment check.
    pub const fn aligned(mut self) -> MemInfo {
        self.aligned = true;
        self
    }
    /// The same, unprivileged.
    pub const fn unpriv(mut self) -> MemInfo {
        self.unpriv = true;
        self
    }
    /// Size in bytes.
    pub const fn bytes(self) -> u32 {
        1 << self.size
    }
    /// Packs into `aux`.
    pub const fn pack(self) -> u32 {
        self.size as u32
            | (self.signed as u32) << 3
            | (self.order as u32) << 4
            | (self.unpriv as u32) << 7
            | (self.aligned as u32) << 8
    }
    /// Inverse of [`Self::pack`].
    pub const fn unpack(aux: u32) -> MemInfo {
        MemInfo {
            size: (aux & 7) as u8,
            signed: aux & 8 != 0,
            order: match aux >> 4 & 7 {
                1 => Order::Acquire,
                2 => Order::AcquirePc,
                3 => Order::Release,
                4 => Order::AcqRel,
                _ => Order::Plain,
            },
            unpriv: aux & 0x80 != 0,
            aligned: aux & 0x100 != 0,
        }
    }
}

/// Lane arrangement of a vector operation: lane size and how many lanes are computed. Lanes beyond are not evaluated and
/// read as zero in the result, as the Arm ARM has it for 64-bit and scalar forms.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "arrangement names of the manual")]
pub enum Shape {
    B1 = 0,
    H1,
    S1,
    D1,
    B8,
    H4,
    S2,
    B16,
    H8,
    S4,
    D2,
    /// One 128-bit lane.
    Q1,
}

impl Shape {
    /// All shapes.
    pub const ALL: [Shape; 12] = [
        Shape::B1,
        Shape::H1,
        Shape::S1,
        Shape::D1,
        Shape::B8,
        Shape::H4,
        Shape::S2,
        Shape::B16,
        Shape::H8,
        Shape::S4,
        Shape::D2,
        Shape::Q1,
    ];
    /// From the packed number; out-of-range numbers give `Q1`.
    pub const fn from_bits(b: u32) -> Shape {
        if b < 12 {
            Shape::ALL[b as usize]
        } else {
            Shape::Q1
        }
    }
    /// log2 of the lane size in bytes.
    pub const fn lane_log2(self) -> u32 {
        match self {
            Shape::B1 | Shape::B8 | Shape::B16 => 0,
            Shape::H1 | Shape::H4 | Shape::H8 => 1,
            Shape::S1 | Shape::S2 | Shape::S4 => 2,
            Shape::D1 | Shape::D2 => 3,
            Shape::Q1 => 4,
        }
    }
    /// Lane size in bits.
    pub const fn lane_bits(self) -> u32 {
        8 << self.lane_log2()
    }
    /// Number of lanes computed.
    pub const fn lanes(self) -> u32 {
        match self {
            Shape::B1 | Shape::H1 | Shape::S1 | Shape::D1 | Shape::Q1 => 1,
            Shape::S2 | Shape::D2 => 2,
            Shape::H4 | Shape::S4 => 4,
            Shape::B8 | Shape::H8 => 8,
            Shape::B16 => 16,
        }
    }
    /// Bits covered: 8..=128.
    pub const fn bits(self) -> u32 {
        self.lanes() * self.lane_bits()
    }
    /// The vector arrangement for a lane of `8 << size` bits (`size` 0..=3), 64 or 128 bits wide. `(3, false)` is `D1`.
    pub const fn vector(size: u32, q: bool) -> Shape {
        match (size & 3, q) {
            (0, false) => Shape::B8,
            (1, false) => Shape::H4,
            (2, false) => Shape::S2,
            (_, false) => Shape::D1,
            (0, true) => Shape::B16,
            (1, true) => Shape::H8,
            (2, true) => Shape::S4,
            (_, true) => Shape::D2,
        }
    }
    /// The one-lane shape for a lane of `8 << size` bits.
    pub const fn scalar(size: u32) -> Shape {
        match size & 3 {
            0 => Shape::B1,
            1 => Shape::H1,
            2 => Shape::S1,
            _ => Shape::D1,
        }
    }
    /// Name in the text form.
    pub const fn name(self) -> &'static str {
        [
            "b1", "h1", "s1", "d1", "b8", "h4", "s2", "b16", "h8", "s4", "d2", "q1",
        ][self as usize]
    }
}

impl Inst {
    /// Effects of this very instruction: the op's row, narrowed by the vector kind or the helper it names.
    pub fn effects(&self) -> crate::ops::Effects {
        use crate::ops::{VBinKind, VRedKind, VShiftKind, VTernKind, VUnKind};
        match self.op {
            Op::VUn => VUnKind::from_aux(self.aux).effects(),
            Op::VBin => VBinKind::from_aux(self.aux).effects(),
            Op::VTern => VTernKind::from_aux(self.aux).effects(),
            Op::VShift => VShiftKind::from_aux(self.aux).effects(),
            Op::VRed => VRedKind::from_aux(self.aux).effects(),
            Op::Call => match crate::helper::HelperId::from_imm(self.imm) {
                Some(h) => h.info().effects,
                None => self.op.info().effects,
            },
            _ => self.op.info().effects,
        }
    }

    /// The shape in the low bits of `aux` (vector ops only).
    pub fn shape(&self) -> Shape {
        Shape::from_bits(self.aux & 0xff)
    }

    /// The memory attributes (memory ops only).
    pub fn mem(&self) -> MemInfo {
        MemInfo::unpack(self.aux)
    }
}
