//! What the AdvSIMD classes share: the `arms!` table, register-to-register forms of the vector ops, elements, and the
//! upper-half forms of narrowing instructions.

use super::Ctx;
use metaphrase_ir::ops::{VBinKind, VShiftKind, VTernKind, VUnKind};
use metaphrase_ir::{Shape, Type, Value};

/// A match over a decode class. The first section lists rows whose name is the IR kind's name and that have the same
/// fields: `kind: Kind { fields } [Rows] => body;`. After `_` come ordinary arms.
macro_rules! arms {
    ($i:expr, $class:ident; $( $k:ident: $kind:ident $fields:tt [$($name:ident)*] => $body:expr; )* _ { $($rest:tt)* }) => {
        match $i {
            $($( $class::$name $fields => { let $k = $kind::$name; $body } )*)*
            $($rest)*
        }
    };
}
pub(super) use arms;

/// The arrangement of `8 << size` bit lanes, 128 bits wide if `q`.
pub fn shape(size: u32, q: u32) -> Shape {
    Shape::vector(size, q != 0)
}

/// The 64-bit arrangement of lanes of that size: narrow sources of long ops, results of narrowing ones.
pub fn narrow(size: u32) -> Shape {
    Shape::vector(size, false)
}

/// The 128-bit arrangement of lanes twice that size.
pub fn wide(size: u32) -> Shape {
    Shape::vector(size + 1, true)
}

/// The bytes arrangement for bitwise operations.
pub fn bytes(q: u32) -> Shape {
    Shape::vector(0, q != 0)
}

/// A shuffle mask: byte i is `f(i)` below `n`, then "zero".
fn mask(n: u32, f: impl Fn(u32) -> u32) -> [u8; 16] {
    std::array::from_fn(|i| {
        if (i as u32) < n {
            f(i as u32) as u8
        } else {
            0xff
        }
    })
}

impl Ctx<'_> {
    /// Vd = op(Vn).
    pub fn v_un(&mut self, k: VUnKind, s: Shape, rd: u32, rn: u32) {
        let n = self.v(rn);
        let v = self.b.vun(k, s, n);
        self.set_v(rd, v);
    }

    /// Vd = op(Vn, Vm).
    pub fn v_bin(&mut self, k: VBinKind, s: Shape, rd: u32, rn: u32, rm: u32) {
        let (n, m) = (self.v(rn), self.v(rm));
        let v = self.b.vbin(k, s, n, m);
        self.set_v(rd, v);
    }

    /// Vd = op(Vd, Vn, Vm).
    pub fn v_tern(&mut self, k: VTernKind, s: Shape, rd: u32, rn: u32, rm: u32) {
        let (n, m) = (self.v(rn), self.v(rm));
        self.v_tern_with(k, s, rd, n, m);
    }

    /// Vd = op(Vd, n, m).
    pub fn v_tern_with(&mut self, k: VTernKind, s: Shape, rd: u32, n: Value, m: Value) {
        let d = self.v(rd);
        let v = self.b.vtern(k, s, d, n, m);
        self.set_v(rd, v);
    }

    /// Vd = acc_op(Vd, v): the accumulation that follows a product, difference or shift.
    pub fn v_acc(&mut self, acc: VBinKind, s: Shape, rd: u32, v: Value) {
        let d = self.v(rd);
        let v = self.b.vbin(acc, s, d, v);
        self.set_v(rd, v);
    }

    /// Vd = Vn shifted by a constant.
    pub fn v_shift(&mut self, k: VShiftKind, s: Shape, rd: u32, rn: u32, n: u32) {
        let a = self.v(rn);
        let v = self.b.vshift(k, s, a, a, n);
        self.set_v(rd, v);
    }

    /// The result of a narrowing op (64 bits): the whole of Vd, or its upper half for the "2" form (`q`).
    pub fn set_narrow(&mut self, q: u32, rd: u32, v: Value) {
        let v = if q == 0 {
            v
        } else {
            let d = self.v(rd);
            self.b.vbin(VBinKind::Zip1, Shape::D2, d, v)
        };
        self.set_v(rd, v);
    }

    /// Element `index` of Vn in every lane of `8 << log2` bits; 128 bits if `q`.
    pub fn v_dup_elem(&mut self, log2: u32, q: u32, rn: u32, index: u32) -> Value {
        let n = self.v(rn);
        let size = 1 << log2;
        let m = mask(8 << q.min(1), |i| index * size + i % size);
        self.b.vshuffle(n, n, m)
    }

    /// Element `index` of Vn in lane 0, the rest zero.
    pub fn v_elem(&mut self, log2: u32, rn: u32, index: u32) -> Value {
        let n = self.v(rn);
        let size = 1 << log2;
        let m = mask(size, |i| index * size + i);
        self.b.vshuffle(n, n, m)
    }

    /// Bytes `from`.. of (m : n), `8 << q` of them (EXT).
    pub fn v_extract(&mut self, q: u32, rn: u32, rm: u32, from: u32) -> Value {
        let (n, m) = (self.v(rn), self.v(rm));
        let len = 8 << q;
        let mask = mask(len, |i| {
            let at = from + i;
            if at < len { at } else { 16 + at - len }
        });
        self.b.vshuffle(n, m, mask)
    }

    /// Element `index` of Vn as a scalar of type `ty`.
    pub fn lane(&mut self, ty: Type, log2: u32, rn: u32, index: u32) -> Value {
        let n = self.v(rn);
        self.b.vlane(ty, Shape::vector(log2, true), n, index)
    }

    /// The half in lane 0 of `v` as an `F32` of the same value. Exact; NaNs, FZ16 and Invalid as FPUnpack has them for
    /// half-precision operands (the conversion ops would honour AHP): a widening multiply by one plus zero. One lane only:
    /// what lies above the half must raise nothing.
    pub fn half_to_single(&mut self, v: Value) -> Value {
        let one = self.b.vconst(0x3c00);
        let zero = self.b.vconst(0);
        let r = self.b.vtern(VTernKind::FMlal, Shape::S1, zero, v, one);
        self.b.vlane(Type::F32, Shape::S4, r, 0)
    }
}
