// Clocks, sleeps, interval timers, POSIX timers with every kind of notification the kernel knows, accounting.
#include "sys.h"
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>

static volatile int code, value;
static void on_signal(int sig, siginfo_t *info, void *context) {
    code = info->si_code;
    value = info->si_value.sival_int;
}

int main(void) {
    struct timespec a, b, r;
    int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_REALTIME_COARSE, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_TAI};
    for (int i = 0; i < 8; i++) {
        int g = clock_gettime(clocks[i], &a), h = clock_gettime(clocks[i], &b);
        SAY("clock %d: %d %d forwards %d res %d", clocks[i], g, h, b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec), clock_getres(clocks[i], &r));
    }
    SHOW(clock_gettime(99, &a));
    SHOW(syscall(SYS_clock_gettime, CLOCK_REALTIME, BAD));
    struct timeval tv;
    SHOW(gettimeofday(&tv, NULL));
    SAY("same second %d", labs(time(NULL) - tv.tv_sec) <= 1);
    SHOW(nanosleep(&(struct timespec){0, 2000000}, NULL));
    SHOW(nanosleep(&(struct timespec){0, -1}, NULL));
    SHOW(syscall(SYS_nanosleep, BAD, NULL));
    clock_gettime(CLOCK_MONOTONIC, &a);
    a.tv_nsec += 4000000;
    if (a.tv_nsec >= 1000000000) a.tv_sec++, a.tv_nsec -= 1000000000;
    SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &a, NULL));
    clock_gettime(CLOCK_MONOTONIC, &b);
    SAY("late enough %d", b.tv_sec > a.tv_sec || b.tv_nsec >= a.tv_nsec);

    struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGALRM, &act, NULL);
    sigaction(SIGRTMIN + 2, &act, NULL);
    struct itimerval it = {.it_value = {0, 4000}, .it_interval = {5, 0}}, old;
    SHOW(setitimer(ITIMER_REAL, &it, NULL));
    SHOW(pause());
    SAY("code %d", code == SI_KERNEL);
    SHOW(getitimer(ITIMER_REAL, &old));
    SAY("interval %ld", (long)old.it_interval.tv_sec);
    memset(&it, 0, sizeof it);
    SHOW(setitimer(ITIMER_REAL, &it, &old));
    SHOW(setitimer(9, &it, NULL));

    timer_t t;
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2, .sigev_value.sival_int = 99};
    struct itimerspec ts = {.it_value = {0, 3000000}};
    SHOW(timer_create(CLOCK_MONOTONIC, &ev, &t));
    SHOW(timer_settime(t, 0, &ts, NULL));
    SHOW(pause());
    SAY("code %d value %d", code == SI_TIMER, value);
    SHOW(timer_getoverrun(t));
    SHOW(timer_gettime(t, &ts));
    SAY("over %ld", (long)ts.it_value.tv_nsec);
    SHOW(timer_delete(t));
    ev.sigev_notify = SIGEV_THREAD_ID;
    ev._sigev_un._tid = gettid();
    ev.sigev_value.sival_int = 100;
    int id;
    SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id));
    ts = (struct itimerspec){.it_value = {0, 3000000}};
    SHOW(syscall(SYS_timer_settime, id, 0, &ts, NULL));
    SHOW(pause());
    SAY("value %d", value);
    SHOW(syscall(SYS_timer_delete, id));
    SHOW(syscall(SYS_timer_delete, id));
    ev.sigev_notify = SIGEV_NONE;
    SHOW(syscall(SYS_timer_create, CLOCK_REALTIME, &ev, &id));
    SHOW(syscall(SYS_timer_create, CLOCK_REALTIME, BAD, &id));

    struct tms m;
    SAY("times %d", times(&m) != -1 && m.tms_utime >= 0);
    struct rusage u;
    SHOW(getrusage(RUSAGE_SELF, &u));
    SAY("memory %d", u.ru_maxrss > 0 && u.ru_maxrss < 1 << 24);
    SHOW(getrusage(RUSAGE_THREAD, &u));
    SHOW(getrusage(99, &u));
    struct timex x = {0};
    SAY("adjtimex %d", adjtimex(&x) >= 0 && x.tick >= 9000 && x.tick <= 11000);
    x.modes = 0;
    SAY("clock_adjtime %d", clock_adjtime(CLOCK_REALTIME, &x) >= 0);
    return 0;
}
