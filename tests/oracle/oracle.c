/* Runs single AArch64 instructions on given register values, for differential tests.
 *
 * Reads `struct in` records from standard input until it ends, executes each word once with V0..V2, X0..X2, NZCV, FPCR and
 * FPSR loaded, and writes one `struct out` for each. The word must be neither a branch nor touch memory, SP or other
 * registers. Built statically by runner.rs and run under QEMU, or on an AArch64 machine.
 */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

struct in {
    uint32_t word, fpcr, fpsr, nzcv;
    uint64_t v[3][2];
    uint64_t x[4];
};
struct out {
    uint32_t fpsr, nzcv;
    uint64_t x0;
    uint64_t v0[2];
};

/* Offsets below are those of the structures above. */
void run_one(void *code, const struct in *in, struct out *out);
__asm__(
    ".globl run_one\n"
    "run_one:\n"
    "  stp x29, x30, [sp, #-32]!\n"
    "  stp x19, x20, [sp, #16]\n"
    "  mov x9, x0\n"
    "  mov x19, x1\n"
    "  mov x20, x2\n"
    "  ldp w10, w11, [x19, #4]\n"
    "  ldr w12, [x19, #12]\n"
    "  ldp q0, q1, [x19, #16]\n"
    "  ldr q2, [x19, #48]\n"
    "  ldp x0, x1, [x19, #64]\n"
    "  ldr x2, [x19, #80]\n"
    "  msr fpcr, x10\n"
    "  msr fpsr, x11\n"
    "  msr nzcv, x12\n"
    "  blr x9\n"
    "  mrs x10, nzcv\n"
    "  mrs x11, fpsr\n"
    "  msr fpcr, xzr\n"
    "  stp w11, w10, [x20]\n"
    "  str x0, [x20, #8]\n"
    "  str q0, [x20, #16]\n"
    "  ldp x19, x20, [sp, #16]\n"
    "  ldp x29, x30, [sp], #32\n"
    "  ret\n");

#define BATCH 512
static struct in ins[BATCH];
static struct out outs[BATCH];

/* Fills `buf`; returns the bytes read, fewer than asked only at the end of input. */
static long read_full(char *buf, long len) {
    long done = 0;
    while (done < len) {
        long n = read(0, buf + done, len - done);
        if (n <= 0)
            break;
        done += n;
    }
    return done;
}

static int write_full(const char *buf, long len) {
    while (len > 0) {
        long n = write(1, buf, len);
        if (n <= 0)
            return 1;
        buf += n;
        len -= n;
    }
    return 0;
}

int main(void) {
    enum { SIZE = 1 << 20, RET = 0xd65f03c0 };
    char *code = mmap(0, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED)
        return 2;
    long at = -16;
    uint32_t last = 0;
    long n;
    while ((n = read_full((char *)ins, sizeof ins)) > 0) {
        long count = n / sizeof ins[0];
        for (long i = 0; i < count; i++) {
            if (at < 0 || ins[i].word != last) {
                last = ins[i].word;
                at = (at + 16) % SIZE;
                uint32_t *slot = (uint32_t *)(code + at);
                slot[0] = last;
                slot[1] = RET;
                __builtin___clear_cache((char *)slot, (char *)(slot + 2));
            }
            run_one(code + at, &ins[i], &outs[i]);
        }
        if (write_full((char *)outs, count * sizeof outs[0]))
            return 3;
    }
    return 0;
}
