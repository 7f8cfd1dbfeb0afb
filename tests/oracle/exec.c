/* Executes short A64 instruction sequences from a complete register state given on stdin and writes the state they leave,
 * faults and branches included: an oracle for whole instructions, run under qemu-aarch64 or on an ARM machine.
 *
 * Build: aarch64-linux-gnu-gcc -O2 -static -o exec exec.c
 *
 * Input, little-endian: groups of { struct group; uint32_t [words]; struct in [count] }; for each struct in, a struct out is written. The
 * sequence stands at group.at in an area full of BRK instructions, so that it ends with SIGTRAP wherever it gets. States
 * are entered by returning from a signal handler and left by the next signal, so that every register may be used.
 * Memory to play with is at DATA: before each case (if group.memory) byte i is pattern(i); a hash of it comes back.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define CODE 0x3000000000ull
#define CODE_BYTES (16u << 20)
#define DATA 0x2000000000ull
#define DATA_BYTES 65536u
#define PAGE 65536u /* at least the page size */
#define BRK 0xd4200000u
#define WORDS 1024u /* most in a group */

struct group { uint64_t at; uint32_t words, count, memory, flush; };
struct in { uint64_t x[31], sp; uint32_t nzcv, fpcr, fpsr, pad; uint64_t v[32][2]; };
struct out {
    uint64_t x[31], sp, pc, addr, hash;
    uint32_t signo, nzcv, fpcr, fpsr;
    uint64_t pad[3];
    uint64_t v[32][2];
};
_Static_assert(sizeof(struct group) == 24, "layout of struct group");
_Static_assert(sizeof(struct in) == 784, "layout of struct in");
_Static_assert(sizeof(struct out) == 832, "layout of struct out");

static struct group group;
static uint32_t word[WORDS];
static struct in *ins;
static struct out *outs;
static uint32_t next;
static mcontext_t home;

static void reset_data(void)
{
    uint64_t *p = (uint64_t *)DATA;
    for (uint64_t i = 0; i < DATA_BYTES / 8; i++)
        p[i] = i * 0x9e3779b97f4a7c15ull;
}

static uint64_t hash_data(void)
{
    const uint64_t *p = (const uint64_t *)DATA, k = 0x100000001b3ull;
    uint64_t a = 0, b = 0, c = 0, d = 0; /* four chains, for speed */
    for (uint64_t i = 0; i < DATA_BYTES / 8; i += 4) {
        a = (a ^ p[i]) * k;
        b = (b ^ p[i + 1]) * k;
        c = (c ^ p[i + 2]) * k;
        d = (d ^ p[i + 3]) * k;
    }
    return (((a * k ^ b) * k ^ c) * k ^ d) * k;
}

static struct fpsimd_context *fpsimd(mcontext_t *m)
{
    struct _aarch64_ctx *c = (struct _aarch64_ctx *)m->__reserved;
    while (c->magic && c->magic != FPSIMD_MAGIC)
        c = (struct _aarch64_ctx *)((char *)c + c->size);
    return (struct fpsimd_context *)c;
}

static void record(struct out *o, int signo, siginfo_t *info, mcontext_t *m)
{
    struct fpsimd_context *f = fpsimd(m);
    memcpy(o->x, m->regs, sizeof o->x);
    o->sp = m->sp;
    o->pc = m->pc;
    o->addr = (uint64_t)info->si_addr;
    o->signo = signo;
    o->nzcv = m->pstate & 0xf0000000u;
    o->fpcr = f->fpcr;
    o->fpsr = f->fpsr;
    memcpy(o->v, f->vregs, sizeof o->v);
    o->hash = group.memory ? hash_data() : 0;
}

static void enter(const struct in *in, mcontext_t *m)
{
    struct fpsimd_context *f = fpsimd(m);
    if (group.memory)
        reset_data();
    memcpy(m->regs, in->x, sizeof in->x);
    m->sp = in->sp;
    m->pc = group.at;
    m->pstate = (m->pstate & ~0xf0000000ull & ~0xc00ull) | in->nzcv; /* BTYPE cleared */
    f->fpcr = in->fpcr;
    f->fpsr = in->fpsr;
    memcpy(f->vregs, in->v, sizeof in->v);
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
    mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
    if (next == 0)
        memcpy(&home, m, sizeof home);
    else
        record(&outs[next - 1], signo, info, m);
    if (next < group.count) {
        enter(&ins[next++], m);
    } else {
        memcpy(m, &home, sizeof home);
        m->pc += 4;
    }
}

static void *map(uint64_t at, size_t bytes, int prot)
{
    void *p = mmap((void *)at, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (p != (void *)at) {
        perror("mmap");
        exit(1);
    }
    return p;
}

static void place(const uint32_t *words, uint32_t n)
{
    uint32_t *code = (uint32_t *)group.at;
    void *page = (void *)(group.at & ~(uint64_t)(PAGE - 1));
    mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    for (uint32_t i = 0; i < n; i++)
        code[i] = words ? words[i] : BRK;
    mprotect(page, PAGE, PROT_READ | PROT_EXEC);
    __builtin___clear_cache((char *)code, (char *)(code + n));
}

int main(void)
{
    static char stack[65536];
    stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack };
    sigaltstack(&ss, NULL);
    struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigfillset(&sa.sa_mask);
    const int signals[] = { SIGTRAP, SIGILL, SIGSEGV, SIGBUS };
    for (int i = 0; i < 4; i++)
        sigaction(signals[i], &sa, NULL);
    uint32_t *code = map(CODE, CODE_BYTES, PROT_READ | PROT_WRITE);
    for (uint32_t i = 0; i < CODE_BYTES / 4; i++)
        code[i] = BRK;
    mprotect(code, CODE_BYTES, PROT_READ | PROT_EXEC);
    map(DATA, DATA_BYTES, PROT_READ | PROT_WRITE);
    while (fread(&group, sizeof group, 1, stdin) == 1) {
        ins = calloc(group.count, sizeof *ins);
        outs = calloc(group.count, sizeof *outs);
        if (group.words > WORDS || !ins || !outs || fread(word, sizeof *word, group.words, stdin) != group.words
            || fread(ins, sizeof *ins, group.count, stdin) != group.count) {
            fprintf(stderr, "bad input\n");
            return 1;
        }
        place(word, group.words);
        next = 0;
        __asm__ volatile("brk #1" ::: "memory");
        place(NULL, group.words);
        if (fwrite(outs, sizeof *outs, group.count, stdout) != group.count)
            return 1;
        if (group.flush)
            fflush(stdout);
        free(ins);
        free(outs);
    }
    return fflush(stdout) != 0;
}
