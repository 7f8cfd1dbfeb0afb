// The address space: mmap in its forms, protections and their faults, mremap, brk, code that is written and thrown away.
#include "sys.h"
#include <setjmp.h>

static sigjmp_buf back;
static void on_fault(int sig, siginfo_t *i, void *c) { siglongjmp(back, i->si_code); }
static int faults(volatile char *p, int write) {
    int code = sigsetjmp(back, 1);
    if (code) return code;
    if (write) *p = 1; else (void)*p;
    return 0;
}

#if defined(__aarch64__)
static void emit(void *at, int value) { ((uint32_t *)at)[0] = 0x52800000 | value << 5; ((uint32_t *)at)[1] = 0xd65f03c0; }
#else
static void emit(void *at, int value) { unsigned char c[] = {0xb8, value, value >> 8, 0, 0, 0xc3}; memcpy(at, c, sizeof c); }
#endif

static int run(void *at) { return ((int (*)(void))at)(); }

int main(void) {
    struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &a, NULL);
    int anon = MAP_PRIVATE | MAP_ANONYMOUS;
    char *p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, anon, -1, 0);
    OK(p);
    SAY("%d %d", faults(p, 0), faults(p, 1));
    SHOW(mprotect(p + 4096, 4096, PROT_READ));
    SAY("%d %d", faults(p + 4096, 0), faults(p + 4096, 1));
    SHOW(mprotect(p + 8192, 4096, PROT_NONE));
    SAY("%d %d %d", faults(p + 8192, 0), faults(p + 8192, 1), faults(p + 12288, 1));
    SHOW(munmap(p + 4096, 4096));
    SAY("%d", faults(p + 4096, 0));
    SHOW(mprotect(p, 16384, PROT_READ));
    SHOW(mprotect(p + 1, 4096, PROT_READ));
    SHOW(munmap(p + 1, 4096));
    SHOW(munmap(p, 0));
    SHOW(mmap(p + 1, 4096, PROT_READ, anon | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0);
    SHOW(mmap(NULL, 0, PROT_READ, anon, -1, 0) == MAP_FAILED ? -1 : 0);
    SHOW(mmap(p, 4096, PROT_READ, anon | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED ? -1 : 0);
    SHOW(mmap(p + 4096, 4096, PROT_READ, anon | MAP_FIXED_NOREPLACE, -1, 0) == p + 4096);
    SHOW(mmap(p, 4096, PROT_READ | PROT_WRITE, anon, -1, 0) == p);  // a hint that is taken
    SHOW(mmap((void *)0x10000000000, 4096, PROT_READ, anon, -1, 0) == (void *)0x10000000000);
    SHOW(mmap(NULL, -4096, PROT_READ, anon, -1, 0) == MAP_FAILED ? -1 : 0);

    int fd = touch("file", "0123456789");
    char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    m[0] = 'X';
    SHOW(msync(m, 4096, MS_SYNC));
    char buf[4] = {0};
    pread(fd, buf, 3, 0);
    SAY("%s", buf);
    SHOW(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 99, 0) == MAP_FAILED ? -1 : 0);
    SHOW(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 1) == MAP_FAILED ? -1 : 0);

    char *r = mmap(NULL, 8192, PROT_READ | PROT_WRITE, anon, -1, 0);
    strcpy(r, "moved");
    char *guard = mmap(r + 8192, 4096, PROT_NONE, anon | MAP_FIXED_NOREPLACE, -1, 0);
    SHOW(mremap(r, 8192, 1 << 20, 0) == MAP_FAILED ? -1 : 0);
    char *q = mremap(r, 8192, 1 << 20, MREMAP_MAYMOVE);
    SAY("%s %d %d", q, q != r, faults(q + (1 << 20) - 1, 1));
    SAY("%d", faults(r, 0));
    SHOW(mremap(q, 1 << 20, 4096, 0) == q);
    SAY("%d %d", faults(q, 1), faults(q + 4096, 0));
    char *target = mmap(NULL, 4096, PROT_READ, anon, -1, 0);
    SHOW(mremap(q, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
    SAY("%s", target);
    SHOW(mremap(q, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    SHOW(mremap(target, 4096, 4096, MREMAP_FIXED, q) == MAP_FAILED ? -1 : 0);
    (void)guard;

    char *b = sbrk(0);
    SHOW(brk(b + 100000));
    SAY("%d", faults(b + 99999, 1));
    SHOW(brk(b));
    SAY("%d", faults(b + 99999, 0));
    SHOW(brk((void *)0x7ffffffff000));

    // code
    char *c = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, anon, -1, 0);
    long sum = 0;
    for (int i = 0; i < 300; i++) {
        emit(c, i);
        __builtin___clear_cache(c, c + 8);
        sum += run(c);
    }
    SAY("written code %ld", sum);
    for (int i = 0; i < 3; i++) {
        c = mmap(c, 4096, PROT_READ | PROT_WRITE, anon | MAP_FIXED, -1, 0);
        emit(c, 1000 + i);
        mprotect(c, 4096, PROT_READ | PROT_EXEC);
        __builtin___clear_cache(c, c + 8);
        SAY("mapped code %d", run(c));
    }
    mprotect(c, 4096, PROT_READ);
    int code = sigsetjmp(back, 1);
    if (!code) SAY("ran %d", run(c));
    else SAY("not executable: code %d", code);
    munmap(c, 4096);
    code = sigsetjmp(back, 1);
    if (!code) SAY("ran %d", run(c));
    else SAY("not mapped: code %d", code);
    unsigned char vec[2];
    SHOW(mincore(p, 4096, vec));
    SHOW(madvise(m, 4096, MADV_DONTNEED));
    SHOW(madvise(m, 4096, 12345));
    return 0;
}
