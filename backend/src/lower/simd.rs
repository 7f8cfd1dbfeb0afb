//! Vectors.
use super::Lower;
use crate::emit::CompileError;
use cranelift_codegen::ir;
use metaphrase_ir::Inst;
impl Lower<'_> {
    pub(super) fn simd_op(&mut self, _inst: &Inst) -> Result<Option<ir::Value>, CompileError> {
        Ok(None)
    }
}
