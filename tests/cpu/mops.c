// Memory copy and set: directions, sizes, faults in the middle that a handler mends, state in signal frames. Prints what is wrong.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

#define CHECK(what) do { if (!(what)) { printf("line %d: %s\n", __LINE__, #what); bad = 1; } } while (0)
static int bad;

// x0: destination, x1: source or value, x2: size.
#define BULK(name, p, m, e) \
    static void name(void *d, uint64_t s, uint64_t n) { \
        register uint64_t x0 asm("x0") = (uint64_t)d, x1 asm("x1") = s, x2 asm("x2") = n; \
        asm volatile(".inst " #p "\n.inst " #m "\n.inst " #e : "+r"(x0), "+r"(x1), "+r"(x2) : : "memory", "cc"); \
        CHECK(x2 == 0); \
    }
BULK(copy_forward, 0x19010440, 0x19410440, 0x19810440)
BULK(copy, 0x1d010440, 0x1d410440, 0x1d810440)
BULK(set, 0x19c10440, 0x19c14440, 0x19c18440)

static char *guarded;
static size_t page = 4096;
static int faults, ticks;
static uint64_t fault_at;

static void on_fault(int sig, siginfo_t *i, void *c) {
    ucontext_t *u = c;
    // The sigframe keeps PSTATE.DIT, which the program has set.
    CHECK(u->uc_mcontext.pstate >> 24 & 1);
    fault_at = (uint64_t)i->si_addr;
    mprotect((void *)(fault_at & -page), page, PROT_READ | PROT_WRITE);
    faults++;
}

static void on_tick(int sig) { ticks++; }

static char byte(size_t i) { return i * 7 + (i >> 8); }
static void fill(char *p, size_t n) { for (size_t i = 0; i < n; i++) p[i] = byte(i); }
static int filled(const char *p, size_t n, size_t from) {
    for (size_t i = 0; i < n; i++) if (p[i] != byte(from + i)) return 0;
    return 1;
}

static void faulting(void) {
    size_t n = 3 * page;
    char *src = mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    guarded = mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fill(src, n);
    for (int kind = 0; kind < 4; kind++) {
        char *d = guarded + 5, *s = src;
        size_t len = n - 9;
        faults = 0;
        if (kind == 2) { fill(guarded, n); }
        mprotect(guarded + page, page, PROT_NONE);
        if (kind == 0) {
            copy_forward(d, (uint64_t)s, len);
            CHECK(fault_at == (uint64_t)guarded + page);
            CHECK(filled(d, len, 0));
        } else if (kind == 1) {
            set(d, 0x5a, len);
            CHECK(fault_at == (uint64_t)guarded + page);
            for (size_t i = 0; i < len; i++) CHECK(d[i] == 0x5a);
        } else if (kind == 2) { // backward, from its own bytes: each must be read before it is overwritten, fault or not
            copy(guarded + 5, (uint64_t)guarded, len);
            CHECK(fault_at == (uint64_t)guarded + 2 * page - 1);
            CHECK(filled(guarded + 5, len, 0));
        } else { // forward, likewise
            mprotect(guarded + page, page, PROT_READ | PROT_WRITE);
            fill(guarded, n);
            mprotect(guarded + page, page, PROT_NONE);
            copy(guarded, (uint64_t)guarded + 5, len);
            CHECK(fault_at == (uint64_t)guarded + page);
            CHECK(filled(guarded, len, 5));
        }
        CHECK(faults == 1);
    }
}

int main(void) {
    CHECK(getauxval(AT_HWCAP2) >> 43 & 1);
    asm volatile(".inst 0xd503415f"); // msr dit, #1
    uint64_t dit, ssbs;
    struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &sa, 0);
    faulting();
    struct sigaction tick = { .sa_handler = on_tick };
    sigaction(SIGALRM, &tick, 0);
    struct itimerval every = { { 0, 2000 }, { 0, 2000 } };
    setitimer(ITIMER_REAL, &every, 0);
    size_t big = 24 << 20;
    char *a = malloc(big), *b = malloc(big);
    fill(a, big);
    for (int i = 0; i < 4; i++) {
        copy_forward(b, (uint64_t)a, big);
        CHECK(!memcmp(a, b, big));
        copy(b + 3, (uint64_t)b, big - 3);
        CHECK(!memcmp(a, b + 3, big - 3));
        set(b, 7, big);
        CHECK(b[0] == 7 && b[big - 1] == 7);
    }
    for (size_t n = 0; n < 600; n += 1 + n / 50) {
        memset(b, 1, 1000);
        copy_forward(b + 1, (uint64_t)a, n);
        CHECK(b[0] == 1 && !memcmp(b + 1, a, n) && b[n + 1] == 1);
    }
    asm volatile("mrs %0, s3_3_c4_c2_5" : "=r"(dit));
    CHECK(dit == 1 << 24);
    asm volatile("msr s3_3_c4_c2_6, %0" : : "r"(~0ul));
    asm volatile("mrs %0, s3_3_c4_c2_6" : "=r"(ssbs));
    CHECK(ssbs == 1 << 12);
    // A branch to a tagged address goes to the address.
    int tagged = 0;
    asm volatile("adr x9, 1f\n orr x9, x9, #0x3f00000000000000\n br x9\n b 2f\n1: mov %w0, #1\n2:" : "+r"(tagged) : : "x9");
    CHECK(tagged);
    puts(bad ? "failed" : "ok");
    return bad;
}
