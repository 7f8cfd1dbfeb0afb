/* Executes single A64 instructions on operands from stdin and writes what they gave: an oracle for instruction semantics,
 * run under qemu-aarch64 or on an ARM machine.
 *
 * Build: aarch64-linux-gnu-gcc -O2 -static -o runner runner.c
 *
 * Input, little-endian: groups of { u32 word; u32 count; struct in [count] }. Each instruction of a group is `word`, run once
 * per struct in with v0..v3, x0..x3, FPCR, FPSR and NZCV as given; for each, a struct out is written. Instructions may use
 * those registers only, and must neither branch nor touch memory. An undefined instruction gives status 1 and zeros.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct in {
    uint64_t v[4][2];
    uint64_t x[4];
    uint32_t fpcr, fpsr, nzcv, pad;
};
struct out {
    uint64_t v[2][2];
    uint64_t x[2];
    uint32_t fpsr, nzcv, status, pad;
};
_Static_assert(sizeof(struct in) == 112, "layout of struct in");
_Static_assert(sizeof(struct out) == 64, "layout of struct out");

void run(const struct in *in, struct out *out, const void *code);
__asm__(".globl run\n"
        "run:\n"
        "stp x29, x30, [sp, #-32]!\n"
        "stp x19, x20, [sp, #16]\n"
        "mov x19, x1\n"
        "mov x9, x2\n"
        "mov x10, x0\n"
        "ldp q0, q1, [x10]\n"
        "ldp q2, q3, [x10, #32]\n"
        "ldp x0, x1, [x10, #64]\n"
        "ldp x2, x3, [x10, #80]\n"
        "ldp w11, w12, [x10, #96]\n"
        "ldr w13, [x10, #104]\n"
        "msr fpcr, x11\n"
        "msr fpsr, x12\n"
        "msr nzcv, x13\n"
        "blr x9\n"
        "mrs x13, nzcv\n"
        "mrs x12, fpsr\n"
        "msr fpcr, xzr\n"
        "stp q0, q1, [x19]\n"
        "stp x0, x1, [x19, #32]\n"
        "stp w12, w13, [x19, #48]\n"
        "stp wzr, wzr, [x19, #56]\n"
        "ldp x19, x20, [sp, #16]\n"
        "ldp x29, x30, [sp], #32\n"
        "ret\n");

/* One page for each group, used in turn, so that writing an instruction does not discard translations of earlier ones. */
enum { PAGE = 65536, PAGES = 1024 };

static sigjmp_buf undefined;

static void on_sigill(int sig)
{
    siglongjmp(undefined, sig);
}

static void run_group(const uint32_t *code, const struct in *in, struct out *out, uint32_t count)
{
    if (sigsetjmp(undefined, 1)) {
        memset(out, 0, count * sizeof *out);
        for (uint32_t i = 0; i < count; i++)
            out[i].status = 1;
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        run(&in[i], &out[i], code);
}

int main(void)
{
    struct sigaction sa = { .sa_handler = on_sigill };
    sigaction(SIGILL, &sa, NULL);
    uint8_t *pages = mmap(NULL, (size_t)PAGE * PAGES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    uint32_t head[2];
    for (size_t group = 0; fread(head, sizeof head, 1, stdin) == 1; group++) {
        uint32_t count = head[1];
        struct in *in = calloc(count, sizeof *in);
        struct out *out = calloc(count, sizeof *out);
        if (!in || !out || fread(in, sizeof *in, count, stdin) != count) {
            fprintf(stderr, "group %zu: short input\n", group);
            return 1;
        }
        uint32_t *code = (uint32_t *)(pages + group % PAGES * PAGE);
        code[0] = head[0];
        code[1] = 0xd65f03c0; /* ret */
        __builtin___clear_cache((char *)code, (char *)(code + 2));
        run_group(code, in, out, count);
        if (fwrite(out, sizeof *out, count, stdout) != count)
            return 1;
        free(in);
        free(out);
    }
    return fflush(stdout) != 0;
}
