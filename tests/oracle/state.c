/* Runs single AArch64 instructions on a whole register state, for differential tests of the front end.
 *
 * Reads `struct state` records from standard input until it ends, loads X0..X27, V0..V31, NZCV, FPCR and FPSR, executes the
 * word once and writes the record back with what the instruction left. The word must be neither a branch nor touch memory,
 * SP or X28..X30. An undefined word comes back as 0, the rest of its record as it was.
 *
 * Build: aarch64-linux-gnu-gcc -O2 -static -o state state.c
 */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

struct state {
    uint32_t word, fpcr, fpsr, nzcv;
    uint64_t x[30];
    uint64_t v[32][2];
};

/* Offsets below are those of the structure above: x at 16, v at 256. */
void run_one(void *code, struct state *s);
#define X(op, a, b, at) "  " op " x" #a ", x" #b ", [x28, #" #at "]\n"
#define V(op, a, b, at) "  " op " q" #a ", q" #b ", [x29, #" #at "]\n"
#define XS(op) X(op, 0, 1, 16) X(op, 2, 3, 32) X(op, 4, 5, 48) X(op, 6, 7, 64) X(op, 8, 9, 80) X(op, 10, 11, 96) \
    X(op, 12, 13, 112) X(op, 14, 15, 128) X(op, 16, 17, 144) X(op, 18, 19, 160) X(op, 20, 21, 176) X(op, 22, 23, 192) \
    X(op, 24, 25, 208) X(op, 26, 27, 224)
#define VS(op) V(op, 0, 1, 0) V(op, 2, 3, 32) V(op, 4, 5, 64) V(op, 6, 7, 96) V(op, 8, 9, 128) V(op, 10, 11, 160) \
    V(op, 12, 13, 192) V(op, 14, 15, 224) V(op, 16, 17, 256) V(op, 18, 19, 288) V(op, 20, 21, 320) V(op, 22, 23, 352) \
    V(op, 24, 25, 384) V(op, 26, 27, 416) V(op, 28, 29, 448) V(op, 30, 31, 480)
__asm__(
    ".globl run_one\n"
    "run_one:\n"
    "  stp x29, x30, [sp, #-160]!\n"
    "  stp x19, x20, [sp, #16]\n"
    "  stp x21, x22, [sp, #32]\n"
    "  stp x23, x24, [sp, #48]\n"
    "  stp x25, x26, [sp, #64]\n"
    "  stp x27, x28, [sp, #80]\n"
    "  stp d8, d9, [sp, #96]\n"
    "  stp d10, d11, [sp, #112]\n"
    "  stp d12, d13, [sp, #128]\n"
    "  stp d14, d15, [sp, #144]\n"
    "  mov x30, x0\n"
    "  mov x28, x1\n"
    "  add x29, x1, #256\n"
    "  ldp w10, w11, [x28, #4]\n"
    "  ldr w12, [x28, #12]\n"
    "  msr fpcr, x10\n"
    "  msr fpsr, x11\n"
    "  msr nzcv, x12\n"
    VS("ldp")
    XS("ldp")
    "  blr x30\n"
    XS("stp")
    VS("stp")
    "  mrs x12, nzcv\n"
    "  mrs x11, fpsr\n"
    "  msr fpcr, xzr\n"
    "  stp w11, w12, [x28, #8]\n"
    "  ldp d14, d15, [sp, #144]\n"
    "  ldp d12, d13, [sp, #128]\n"
    "  ldp d10, d11, [sp, #112]\n"
    "  ldp d8, d9, [sp, #96]\n"
    "  ldp x27, x28, [sp, #80]\n"
    "  ldp x25, x26, [sp, #64]\n"
    "  ldp x23, x24, [sp, #48]\n"
    "  ldp x21, x22, [sp, #32]\n"
    "  ldp x19, x20, [sp, #16]\n"
    "  ldp x29, x30, [sp], #160\n"
    "  ret\n");

/* One page for each of the last words, used in turn, so that writing a word does not discard translations of earlier ones. */
enum { PAGE = 65536, PAGES = 256, RET = 0xd65f03c0 };

static sigjmp_buf undefined;

static void on_sigill(int sig)
{
    siglongjmp(undefined, sig);
}

int main(void)
{
    struct sigaction sa = { .sa_handler = on_sigill };
    sigaction(SIGILL, &sa, NULL);
    char *pages = mmap(NULL, (size_t)PAGE * PAGES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return 2;
    static struct state s;
    static uint32_t *code;
    static size_t next;
    while (fread(&s, sizeof s, 1, stdin) == 1) {
        if (!code || code[0] != s.word) {
            code = (uint32_t *)(pages + next++ % PAGES * PAGE);
            code[0] = s.word;
            code[1] = RET;
            __builtin___clear_cache((char *)code, (char *)(code + 2));
        }
        if (sigsetjmp(undefined, 1))
            s.word = 0;
        else
            run_one(code, &s);
        if (fwrite(&s, sizeof s, 1, stdout) != 1)
            return 3;
    }
    return fflush(stdout) != 0;
}
