//! Value types.

/// The type of a value. `Flags` is abstract: how NZCV is represented is decided by who consumes it (see [`crate::flags`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[repr(u8)]
pub enum Type {
    /// No value (stores, slot writes).
    Void,
    /// A truth value: 0 or 1.
    Bool,
    /// 8 bits (only as a lane element).
    I8,
    /// 16 bits (lane elements, half-precision bit patterns).
    I16,
    /// 32-bit integer.
    I32,
    /// 64-bit integer or address.
    I64,
    /// IEEE single.
    F32,
    /// IEEE double.
    F64,
    /// A 128-bit vector; lane shapes belong to the operations.
    V128,
    /// The condition flags N, Z, C, V.
    Flags,
}

impl Type {
    /// Size in bytes as stored in memory or in a slot (`Bool` counts as one; `Void` and `Flags` have none).
    pub const fn bytes(self) -> u32 {
        match self {
            Type::Void | Type::Flags => 0,
            Type::Bool | Type::I8 => 1,
            Type::I16 => 2,
            Type::I32 | Type::F32 => 4,
            Type::I64 | Type::F64 => 8,
            Type::V128 => 16,
        }
    }

    /// The name used in the text form.
    pub const fn name(self) -> &'static str {
        match self {
            Type::Void => "void",
            Type::Bool => "bool",
            Type::I8 => "i8",
            Type::I16 => "i16",
            Type::I32 => "i32",
            Type::I64 => "i64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::V128 => "v128",
            Type::Flags => "flags",
        }
    }

    /// All types, for parsers and tests.
    pub const ALL: [Type; 10] = [
        Type::Void,
        Type::Bool,
        Type::I8,
        Type::I16,
        Type::I32,
        Type::I64,
        Type::F32,
        Type::F64,
        Type::V128,
        Type::Flags,
    ];

    /// Whether this is `I32` or `I64`.
    pub const fn is_int(self) -> bool {
        matches!(self, Type::I32 | Type::I64)
    }

    /// Whether this is `F32` or `F64`.
    pub const fn is_float(self) -> bool {
        matches!(self, Type::F32 | Type::F64)
    }
}
