//! The few pieces of host code that a process needs once: the way in, the unlinked stub, and the cold-path caller of `Eval`.
//!
//! All of it is position-independent and reaches everything through the frame, so the runtime may place the bytes anywhere.

use crate::abi::{
    Builtin, EXIT_LOOKUP, FrameHeader, HEADER_SIZE, JUMP_ENTRIES, JumpEntry, STATE_BIAS,
};
use crate::baseline::asm::{Asm, Enc, RAX, RCX, RDI, ROOM, alu, cc, sh};
use crate::emit::{CompileError, HostModel};
use crate::host;
use crate::lower::eval_signature;
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{Function, InstBuilder, MemFlagsData, UserFuncName, types};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use std::mem::offset_of;

/// Code and the offsets of its entry points.
#[derive(Clone, Debug)]
pub struct Stubs {
    /// Bytes, to be placed at a multiple of [`crate::emit::CODE_ALIGN`].
    pub code: Vec<u8>,
    /// `extern "C" fn(state: *mut u8, code: u64) -> u64`: enters translated code. Saves every callee-saved register and the host's
    /// MXCSR (to `header.host_mxcsr`), loads `header.guest_mxcsr`, calls `code` with `arg` 0; on return stores the guest's final
    /// MXCSR, sticky bits included, to `header.scratch` and restores the host's.
    pub trampoline: u32,
    /// What an unlinked chain slot's `code` points to: returns `arg`.
    pub unlinked: u32,
    /// For `header.look_up`.
    pub look_up: u32,
}

impl Stubs {
    /// The stubs. `pc_offset`: of the guest pc, bytes from the state.
    pub fn new(pc_offset: u32) -> Stubs {
        let mut code = trampoline();
        pad(&mut code);
        let unlinked = code.len() as u32;
        code.extend([
            0x48, 0x89, 0xf8, // mov rax, rdi
            0xc3, // ret
        ]);
        pad(&mut code);
        let at = code.len() as u32;
        code.extend(look_up(pc_offset));
        Stubs {
            code,
            trampoline: 0,
            unlinked,
            look_up: at,
        }
    }
}

fn pad(code: &mut Vec<u8>) {
    while !code.len().is_multiple_of(16) {
        code.push(0xcc); // int3
    }
}

/// By hand, because CLIF has no instruction for MXCSR. Callee-saved registers are saved here for good, whatever the
/// translated code's convention does with them.
fn trampoline() -> Vec<u8> {
    // ldmxcsr / stmxcsr [rdi + disp32]
    fn mxcsr(code: &mut Vec<u8>, modrm: u8, field: usize) {
        code.extend([0x0f, 0xae, modrm]);
        code.extend((field as u32).to_le_bytes());
    }
    const ST: u8 = 0x9f;
    const LD: u8 = 0x97;
    let mut c = vec![
        0x55, // push rbp
        0x48, 0x89, 0xe5, // mov rbp, rsp
        0x53, // push rbx
        0x41, 0x54, // push r12
        0x41, 0x55, // push r13
        0x41, 0x56, // push r14
        0x41, 0x57, // push r15
        0x57, // push rdi: kept for the way out; the stack is now a multiple of 16
    ];
    mxcsr(&mut c, ST, offset_of!(FrameHeader, host_mxcsr));
    mxcsr(&mut c, LD, offset_of!(FrameHeader, guest_mxcsr));
    c.extend([
        0x4c, 0x8d, 0xbf, // lea r15, [rdi + disp32]
    ]);
    c.extend(STATE_BIAS.to_le_bytes());
    c.extend([
        0x31, 0xff, // xor edi, edi
        0xff, 0xd6, // call rsi
        0x5f, // pop rdi
    ]);
    mxcsr(&mut c, ST, offset_of!(FrameHeader, scratch));
    mxcsr(&mut c, LD, offset_of!(FrameHeader, host_mxcsr));
    c.extend([
        0x41, 0x5f, // pop r15
        0x41, 0x5e, // pop r14
        0x41, 0x5d, // pop r13
        0x41, 0x5c, // pop r12
        0x5b, // pop rbx
        0x5d, // pop rbp
        0xc3, // ret
    ]);
    c
}

/// The jump cache's second half. Changes RAX and RCX.
fn look_up(pc_offset: u32) -> Vec<u8> {
    const SIZE: u32 = size_of::<JumpEntry>() as u32;
    const HALF: u32 = JUMP_ENTRIES as u32 * SIZE;
    let mut a = Asm::default();
    a.reserve(ROOM);
    // `second_index`, times the size of an entry.
    a.mov(RAX, RDI);
    a.shift_imm(sh::SHR, true, RAX, 16);
    a.mov(RCX, RDI);
    a.shift_imm(sh::SHR, true, RCX, 2);
    a.alu(alu::XOR, false, RAX, RCX);
    a.alu_imm(alu::AND, false, RAX, JUMP_ENTRIES as i32 - 1);
    a.shift_imm(sh::SHL, false, RAX, SIZE.trailing_zeros() as u8);
    let cache = offset_of!(FrameHeader, jump_cache);
    a.header(Enc(0, 0, 0x03), true, RAX, cache); // add rax, [jump_cache]
    let pc = HALF as usize + offset_of!(JumpEntry, pc);
    a.rm(Enc(0, 0, 0x3b), true, RDI, RAX, pc as i32); // cmp rdi, [rax + pc]
    let miss = a.jcc8(cc::NE);
    let hits = offset_of!(FrameHeader, jump_hits);
    a.header(Enc(0, 0, 0xff), true, 0, hits); // inc qword [jump_hits]
    let code = HALF as usize + offset_of!(JumpEntry, code);
    a.rm(Enc(0, 0, 0xff), false, 4, RAX, code as i32); // jmp [rax + code]
    a.here8(miss);
    a.store(((HEADER_SIZE + pc_offset) / 8) as u16, RDI);
    a.leave(EXIT_LOOKUP);
    a.code().to_vec()
}

/// Code for the helper table's [`Builtin::EvalCold`], which only Cranelift's code calls: `PreserveAll` outside, the platform's
/// convention inside, calls the table's `Eval`. Apart from [`Stubs`] because a process that never gets a hot region need not pay
/// for Cranelift.
pub fn eval_thunk() -> Result<Vec<u8>, CompileError> {
    let isa = host::isa(HostModel::Native, cfg!(debug_assertions))?;
    let mut ctx = Context::for_function(Function::with_name_signature(
        UserFuncName::user(0, 2),
        eval_signature(CallConv::PreserveAll),
    ));
    let mut fbc = FunctionBuilderContext::new();
    let mut b = FunctionBuilder::new(&mut ctx.func, &mut fbc);
    let block = b.create_block();
    b.append_block_params_for_function_params(block);
    b.switch_to_block(block);
    b.seal_block(block);
    let args = b.block_params(block).to_vec();
    let sig = b.import_signature(eval_signature(CallConv::SystemV));
    let flags = MemFlagsData::trusted();
    let table = offset_of!(FrameHeader, helpers) as i32;
    let table = b.ins().load(types::I64, flags, args[0], table);
    let eval = 8 * Builtin::Eval.index() as i32;
    let eval = b.ins().load(types::I64, flags, table, eval);
    b.ins().call_indirect(sig, eval, &args);
    b.ins().return_(&[]);
    b.finalize(isa.frontend_config());
    let compiled = ctx
        .compile(&*isa, &mut ControlPlane::default())
        .map_err(|e| CompileError::Host(e.inner.to_string()))?;
    match compiled.buffer.relocs() {
        [] => Ok(compiled.buffer.data().to_vec()),
        r => Err(CompileError::Host(format!("unexpected relocation {r:?}"))),
    }
}
