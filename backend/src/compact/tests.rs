//! Code before and after, as text.

use super::*;

const RET: u8 = 0xc3;

fn text(code: &[u8]) -> Vec<String> {
    let lines = crate::listing::disassemble(code, 0);
    lines.lines().map(|l| l.trim().to_string()).collect()
}

#[test]
fn nops_go_and_jumps_become_short() {
    let mut code = vec![0x0f, 0x84, 10, 0, 0, 0]; // je over
    code.extend([0x0f, 0x1f, 0x44, 0, 0]); // nop
    code.extend([0xe9, 0xf0, 0xff, 0xff, 0xff]); // jmp to the start
    code.extend([0x48, 0x89, 0xc8, RET]); // over: mov rax, rcx; ret
    let n = code.len() as u32;
    let moved = compact(&mut code, n, &[], [].into_iter(), 0).unwrap();
    let want = [
        "0  je short 4",
        "2  jmp short 0",
        "4  mov rax,rcx",
        "7  ret",
    ];
    assert_eq!(text(&code), want);
    let to: Vec<u32> = [0, 6, 11, 16, 19].map(|o| moved.to(o)).into();
    assert_eq!(to, [0, 2, 2, 4, 7]);
}

#[test]
fn far_jumps_stay_long_and_jumps_to_what_follows_go() {
    let mut code = vec![0xe9, 0, 0, 0, 0]; // jmp next
    code.extend([0x0f, 0x85, 150, 0, 0, 0]); // jne over
    code.extend([0x50; 150]); // push rax ...
    code.push(RET);
    let n = code.len() as u32;
    compact(&mut code, n, &[], [].into_iter(), 0).unwrap();
    let text = text(&code);
    assert_eq!(text[0], "0  jne 0x000000000000009C");
    assert_eq!(text.len(), 152);
    assert_eq!(text[151], "9c  ret");
}

#[test]
fn constants_and_relocations_move_along() {
    let mut code = vec![0x90; 9];
    code.extend([0x0f, 0x28, 0x05, 16, 0, 0, 0]); // movaps xmm0, [constant], at 9; ends at 16
    code.extend([0x48, 0x8d, 0x3d, 0xfc, 0xff, 0xff, 0xff]); // lea rdi, [a relocation], field at 19
    code.extend([RET, 0x90]);
    code.resize(32, 0);
    code.extend([7; 16]); // the constant
    code.extend([0x0f, 0x28, 0x0d, 0xe9, 0xff, 0xff, 0xff, RET]); // a stub: movaps xmm1, [constant]
    let moved = compact(&mut code, 48, &[19], [].into_iter(), 0).unwrap();
    assert_eq!(moved.to(9), 0);
    assert_eq!(moved.to(19), 10);
    assert_eq!(moved.to(32), 32);
    assert_eq!(moved.to(48), 48);
    assert_eq!(code[10..14], [0xfc, 0xff, 0xff, 0xff]);
    assert_eq!(code[32..48], [7; 16]);
    let text = [text(&code[..7]), text(&code[48..])].concat();
    assert_eq!(text[0], "0  movaps xmm0,[0x20]");
    assert_eq!(text[1], "0  movaps xmm1,[0xFFFFFFFFFFFFFFF0]");
}

#[test]
fn a_poll_becomes_one_comparison() {
    let poll = |value: u8| {
        let mut code = vec![0x4c, 0x89, 0xf8]; // mov rax, r15
        code.extend([0x8b, 0x80 | value << 3]); // mov value, [rax + stop]
        code.extend(STOP.to_le_bytes());
        code.extend([0x85, 0xc0 | value << 3 | value]); // test value, value
        code.extend([0x0f, 0x85, 0, 0, 0, 0, RET]); // jne
        let n = code.len() as u32;
        compact(&mut code, n, &[], [].into_iter(), 0).unwrap();
        text(&code)
    };
    let short = poll(0);
    assert!(short[0].starts_with("0  cmp dword ptr [r15-"), "{short:?}");
    assert_eq!(short.len(), 2, "{short:?}");
    // The base is not overwritten, so somebody may need it.
    assert_eq!(poll(1).len(), 4);
}

#[test]
fn a_comparison_is_not_repeated() {
    let lines = |entered: &[u32]| {
        let ucomiss = [0x0f, 0x2e, 0xc1];
        let mut code = ucomiss.to_vec();
        code.extend([0x0f, 0x8a, 6, 0, 0, 0]); // jp over
        code.extend(ucomiss);
        code.extend([0x77, 0xf2, RET]); // ja to the start
        code.push(RET); // over
        let n = code.len() as u32;
        compact(&mut code, n, &[], entered.iter().copied(), 0).unwrap();
        text(&code).len()
    };
    assert_eq!(lines(&[]), 5);
    // Somebody comes from elsewhere, with other flags.
    assert_eq!(lines(&[9]), 6);
}

/// What becomes of code whose spill slots begin at 16. `entered`: as for [`compact`].
fn lines(parts: &[&[u8]], entered: &[u32]) -> Vec<String> {
    let mut code = parts.concat();
    code.push(RET);
    let n = code.len() as u32;
    compact(&mut code, n, &[], entered.iter().copied(), 16).unwrap();
    let mut all = text(&code);
    all.pop();
    let bare = |l: &String| l.split_once("  ").unwrap().1.to_string();
    all.iter().map(bare).collect()
}

#[test]
fn spilled_values_that_a_register_has_are_not_loaded() {
    let store = |d: u8| [0x48, 0x89, 0x44, 0x24, d]; // mov [rsp + d], rax
    let load = |d: u8| [0x48, 0x8b, 0x44, 0x24, d]; // mov rax, [rsp + d]
    let other = |d: u8| [0x48, 0x8b, 0x4c, 0x24, d]; // mov rcx, [rsp + d]
    let inc = [0x48, 0xff, 0xc0]; // inc rax
    let all = |parts: &[&[u8]]| lines(parts, &[]);
    assert_eq!(
        all(&[&store(16), &load(16), &other(16)])[1..],
        ["mov rcx,rax"]
    );
    assert_eq!(all(&[&load(16), &store(16), &inc, &store(16)]).len(), 3);
    // Something else by now: the register, the slot, both unknown.
    assert_eq!(all(&[&store(16), &inc, &other(16)]).len(), 3);
    assert_eq!(all(&[&other(16), &store(16), &other(16)])[2], "mov rcx,rax");
    assert_eq!(all(&[&store(16), &other(24)]).len(), 2);
    assert_eq!(
        lines(&[&store(16), &other(16)], &[5])[1],
        "mov rcx,[rsp+0x10]"
    );
    for unknown in [
        &[0x48, 0x83, 0xec, 8][..],    // sub rsp, 8
        &[0x50],                       // push rax
        &[0xff, 0xd2],                 // call rdx
        &[0xc6, 0x44, 0x24, 16, 0],    // mov byte [rsp + 16], 0
        &[0x4c, 0x89, 0xdc],           // mov rsp, r11
        &[0x48, 0x8b, 0x64, 0x24, 24], // mov rsp, [rsp + 24]
    ] {
        assert_eq!(all(&[&store(16), unknown, &other(16)]).len(), 3);
        assert!(all(&[&store(16), unknown, &other(16)])[2].contains("rsp"));
    }
    // No spill slot: somebody may know its address.
    assert_eq!(all(&[&store(8), &other(8)])[1], "mov rcx,[rsp+8]");
    // Vectors: movdqu [rsp + 16], xmm0; movdqu xmm9, [rsp + 16]. An overlap with rax.
    let store_v = [0xf3, 0x0f, 0x7f, 0x44, 0x24, 16];
    let load_v = [0xf3, 0x44, 0x0f, 0x6f, 0x4c, 0x24, 16];
    assert_eq!(all(&[&store_v, &load_v])[1], "movaps xmm9,xmm0");
    assert_eq!(
        all(&[&store_v, &store(24), &load_v])[2],
        "movdqu xmm9,[rsp+0x10]"
    );
    assert_eq!(
        all(&[&store(24), &store_v, &other(24)])[2],
        "mov rcx,[rsp+0x18]"
    );
}

#[test]
fn halves_are_extended_in_one_instruction() {
    let zero = [0xc5, 0xf1, 0x57, 0xc9]; // vxorpd xmm1, xmm1, xmm1
    let merge = [0xc5, 0xf3, 0x10, 0xd0]; // vmovsd xmm2, xmm1, xmm0
    let access = [0x48, 0x8b, 0x01]; // mov rax, [rcx]
    let all = |parts: &[&[u8]]| lines(parts, &[]);
    // The zero is overwritten; it is not, but may be read; there is none.
    assert_eq!(
        all(&[&zero, &merge, &zero, &merge])[..2],
        ["vmovq xmm2,xmm0", "vxorpd xmm1,xmm1,xmm1"]
    );
    assert_eq!(all(&[&zero, &merge])[0], "vxorpd xmm1,xmm1,xmm1");
    assert_eq!(all(&[&zero, &merge, &access, &zero]).len(), 4);
    assert_eq!(all(&[&merge]), ["vmovsd xmm2,xmm1,xmm0"]);
    // Registers with high numbers in either place.
    for (bytes, line) in [
        ([0xc5, 0x73, 0x10, 0xd0], "vmovq xmm10,xmm0"),
        ([0xc4, 0xc1, 0x73, 0x10], "vmovq xmm2,xmm8"),
        ([0xc4, 0x41, 0x73, 0x10], "vmovq xmm10,xmm8"),
    ] {
        let rest: &[u8] = if bytes[0] == 0xc4 { &[0xd0] } else { &[] };
        assert_eq!(all(&[&zero, &bytes, rest])[1], line);
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for code in [
        &[0xeb, 0xff, RET][..],       // a jump into an instruction
        &[0xe8, 0, 0, 0, 0, RET],     // a call
        &[0x0f, 0x04, RET],           // nothing
        &[0x48, 0x8b, 0x05, 0, 0, 0], // cut off
    ] {
        assert!(
            compact(
                &mut code.to_vec(),
                code.len() as u32,
                &[],
                [].into_iter(),
                0
            )
            .is_err()
        );
    }
}
