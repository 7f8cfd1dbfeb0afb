// Processor time of a process that has just run a lot of new code and now sleeps: compiling that code meanwhile is not its doing.
#include "sys.h"
#include <sys/resource.h>
#include <sys/times.h>

// Sixteen hundred loops, no two alike, so that a translator finds much to compile.
static volatile unsigned seen;
#define L(n) static unsigned f##n(unsigned x) { for (unsigned i = 0; i < 64; i++) { x = x * (2 * n + 1) + (x >> (n % 31 + 1)); if (x & 1 << n % 29) x ^= i + n; else x -= 3 * n; } return x; }
#define L10(n) L(n##0) L(n##1) L(n##2) L(n##3) L(n##4) L(n##5) L(n##6) L(n##7) L(n##8) L(n##9)
#define L100(n) L10(n##0) L10(n##1) L10(n##2) L10(n##3) L10(n##4) L10(n##5) L10(n##6) L10(n##7) L10(n##8) L10(n##9)
#define C(n) x = f##n(x);
#define C10(n) C(n##0) C(n##1) C(n##2) C(n##3) C(n##4) C(n##5) C(n##6) C(n##7) C(n##8) C(n##9)
#define C100(n) C10(n##0) C10(n##1) C10(n##2) C10(n##3) C10(n##4) C10(n##5) C10(n##6) C10(n##7) C10(n##8) C10(n##9)
#define ALL(M) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(9) M(11) M(12) M(13) M(14) M(15) M(16) M(17) M(18)
ALL(L100)

static double clock_of(clockid_t c) { struct timespec t; clock_gettime(c, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static double usage(void) { struct rusage u; getrusage(RUSAGE_SELF, &u); return u.ru_utime.tv_sec + u.ru_utime.tv_usec / 1e6; }
static double ticks(void) { struct tms t; times(&t); return t.tms_utime / (double)sysconf(_SC_CLK_TCK); }

int main(void) {
    clockid_t mine;
    clock_getcpuclockid(getpid(), &mine);
    unsigned x = 1;
    for (int i = 0; i < 20; i++) { ALL(C100) }
    seen = x;
    SAY("%u", x);
    double a = clock_of(CLOCK_PROCESS_CPUTIME_ID), b = clock_of(mine), c = usage(), d = ticks();
    SAY("began %d %d", a > 0, b > 0);
    nanosleep(&(struct timespec){0, 200000000}, NULL);
    SAY("clock %d", clock_of(CLOCK_PROCESS_CPUTIME_ID) - a < 0.05);
    SAY("clock by id %d", clock_of(mine) - b < 0.05);
    SAY("getrusage %d", usage() - c < 0.05);
    SAY("times %d", ticks() - d < 0.05);
    double last = 0;
    for (int i = 0; i < 2000; i++) {
        double now = clock_of(CLOCK_PROCESS_CPUTIME_ID);
        if (now < last) SAY("back");
        last = now;
    }
    fflush(stdout);
    if (!fork()) {
        SAY("child %d", clock_of(CLOCK_PROCESS_CPUTIME_ID) < 0.05);
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    SHOW(getrusage(9, NULL));
    SHOW(syscall(SYS_getrusage, RUSAGE_SELF, BAD));
    SHOW(syscall(SYS_times, BAD));
    return 0;
}
