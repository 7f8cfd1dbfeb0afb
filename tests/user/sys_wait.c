// Waiting: poll, select and their masks, eventfd, timerfd, signalfd; interrupted and timed calls.
#include "sys.h"
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static volatile int hits;
static void on_signal(int sig, siginfo_t *info, void *context) { hits++; }

int main(void) {
    int p[2], q[2];
    pipe(p);
    pipe(q);
    write(q[1], "x", 1);
    struct pollfd f[4] = {{p[0], POLLIN}, {q[0], POLLIN}, {p[1], POLLOUT}, {999, POLLIN}};
    SHOW(poll(f, 4, 0));
    SAY("%x %x %x %x", f[0].revents, f[1].revents, f[2].revents, f[3].revents);
    struct timespec soon = {0, 5000000}, wrong = {0, 1000000000};
    SHOW(ppoll(f, 1, &soon, NULL));
    SHOW(syscall(SYS_ppoll, f, 1, &wrong, NULL, 8));
    SHOW(syscall(SYS_ppoll, f, 1, &soon, BAD, 8));
    sigset_t all;
    sigfillset(&all);
    SHOW(syscall(SYS_ppoll, f, 1, &soon, &all, 16));
    SHOW(syscall(SYS_ppoll, BAD, 1, &soon, NULL, 8));
    fd_set r, w;
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_SET(p[0], &r);
    FD_SET(q[0], &r);
    FD_SET(p[1], &w);
    SHOW(select(20, &r, &w, NULL, &(struct timeval){1, 0}));
    SAY("%d %d %d", FD_ISSET(p[0], &r), FD_ISSET(q[0], &r), FD_ISSET(p[1], &w));
    FD_SET(p[0], &r);
    FD_CLR(q[0], &r);
    SHOW(select(20, &r, NULL, NULL, &(struct timeval){0, 2000}));

    // a blocked signal reaches the handler inside ppoll and pselect only
    struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGUSR1, &act, NULL);
    sigset_t usr1, none;
    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    kill(getpid(), SIGUSR1);
    SAY("hits %d", hits);
    SHOW(ppoll(f, 1, &(struct timespec){2, 0}, &none));
    SAY("hits %d", hits);
    kill(getpid(), SIGUSR1);
    FD_SET(p[0], &r);
    SHOW(pselect(20, &r, NULL, NULL, &(struct timespec){2, 0}, &none));
    SAY("hits %d", hits);
    kill(getpid(), SIGUSR1);
    int ep = epoll_create1(0);
    struct epoll_event ev;
    SHOW(epoll_pwait(ep, &ev, 1, 2000, &none));
    SAY("hits %d", hits);
    // an event that is there wins over a signal that is not allowed
    kill(getpid(), SIGUSR1);
    SHOW(ppoll(f + 1, 1, NULL, &usr1));
    SAY("hits %d", hits);

    int s = signalfd(-1, &usr1, SFD_NONBLOCK | SFD_CLOEXEC);
    struct signalfd_siginfo info;
    SHOW(read(s, &info, sizeof info));
    SAY("signo %u code %d me %d", info.ssi_signo, info.ssi_code, info.ssi_pid == (uint32_t)getpid());
    SHOW(read(s, &info, sizeof info));
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 4711});
    SHOW(poll(&(struct pollfd){s, POLLIN, 0}, 1, 1000));
    SHOW(read(s, &info, sizeof info));
    SAY("value %d code %d", info.ssi_int, info.ssi_code);
    sigprocmask(SIG_UNBLOCK, &usr1, NULL);

    // SA_RESTART repeats read, but never poll or nanosleep
    hits = 0;
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++) {
            usleep(60000);
            kill(getppid(), SIGUSR1);
        }
        usleep(60000);
        write(p[1], "done", 4);
        _exit(0);
    }
    SHOW(poll(f, 1, 5000));
    struct timespec left = {0, 0};
    SHOW(nanosleep(&(struct timespec){5, 0}, &left));
    SAY("left %d", left.tv_sec == 4);
    char text[8] = "";
    SHOW(read(p[0], text, 8));
    SAY("%s hits %d", text, hits);
    waitpid(child, NULL, 0);
    // without it read is interrupted
    act.sa_flags = SA_SIGINFO;
    sigaction(SIGUSR1, &act, NULL);
    child = fork();
    if (child == 0) {
        usleep(60000);
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    SHOW(read(p[0], text, 8));
    waitpid(child, NULL, 0);

    int e = eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK);
    uint64_t v;
    SHOW(eventfd_read(e, &v));
    SAY("%lu", (unsigned long)v);
    SHOW(eventfd_write(e, 10));
    SHOW(eventfd_read(e, &v));
    SHOW(eventfd_write(e, ~0ull));
    int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec spec = {.it_value = {0, 3000000}, .it_interval = {0, 2000000}}, old;
    SHOW(timerfd_settime(t, 0, &spec, NULL));
    SHOW(read(t, &v, sizeof v));
    SHOW(poll(&(struct pollfd){t, POLLIN, 0}, 1, 1000));
    SHOW(read(t, &v, sizeof v));
    SHOW(timerfd_gettime(t, &old));
    SAY("interval %ld", old.it_interval.tv_nsec);
    SHOW(syscall(SYS_timerfd_settime, t, 0, BAD, NULL));
    return 0;
}
