// The guest's vDSO: symbols and versions as arch/arm64/kernel/vdso/vdso.lds.S names them. See ../vdso.rs for the build line.
// The clock functions are system calls: metaphrase answers those from the host's vDSO.

    .text
    .macro syscall_function name, nr
    .globl __kernel_\name
    .type __kernel_\name, %function
    .balign 16
__kernel_\name:
    .cfi_startproc
    mov x8, #\nr
    svc #0
    ret
    .cfi_endproc
    .size __kernel_\name, . - __kernel_\name
    .endm

    syscall_function clock_gettime, 113
    syscall_function gettimeofday, 169
    syscall_function clock_getres, 114

// Returns from a signal handler. No unwind information on purpose: unwinders know these two instructions and then read the
// interrupted registers from the rt_sigframe. The nop makes pc - 1 belong to no other function.
    .balign 16
    nop
    .globl __kernel_rt_sigreturn
    .type __kernel_rt_sigreturn, %function
__kernel_rt_sigreturn:
    mov x8, #139
    svc #0
    .size __kernel_rt_sigreturn, . - __kernel_rt_sigreturn

    .section .note, "a"
    .balign 4
    .long 6, 4, 0       // name "Linux", LINUX_VERSION_CODE of the ABI that is offered: 5.10
    .asciz "Linux"
    .balign 4
    .long 0x50a00
