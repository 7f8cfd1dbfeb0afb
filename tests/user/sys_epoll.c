// struct epoll_event: packed on x86-64 only. Full 64-bit user data through several events at once; waits and errors.
#include "sys.h"

static int by_data(const void *a, const void *b) {
    uint64_t x = ((const struct epoll_event *)a)->data.u64, y = ((const struct epoll_event *)b)->data.u64;
    return x < y ? -1 : x > y;
}

static void wait_and_show(int ep, const char *what, int timeout) {
    struct epoll_event ev[8];
    memset(ev, 0xee, sizeof ev);
    int n = epoll_wait(ep, ev, 8, timeout);
    printf("%s: %d", what, n);
    if (n > 0) qsort(ev, n, sizeof ev[0], by_data);
    for (int i = 0; i < n; i++) printf(" [%x %016llx]", ev[i].events, (unsigned long long)ev[i].data.u64);
    putchar('\n');
}

int main(void) {
    int ep = epoll_create1(EPOLL_CLOEXEC), p[2], q[2], e = eventfd(0, EFD_NONBLOCK);
    pipe(p);
    socketpair(AF_UNIX, SOCK_STREAM, 0, q);
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 0x0123456789abcdefull};
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
    ev.data.u64 = 0xfedcba9876543210ull;
    ev.events = EPOLLIN | EPOLLOUT | EPOLLET;
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, q[0], &ev));
    ev.data.u64 = 0x8000000000000001ull;
    ev.events = EPOLLIN | EPOLLONESHOT;
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev));
    wait_and_show(ep, "writable socket", 0);
    wait_and_show(ep, "edge is used up", 0);
    write(p[1], "x", 1);
    write(q[1], "y", 1);
    eventfd_write(e, 5);
    wait_and_show(ep, "three", -1);
    wait_and_show(ep, "level pipe remains", 0);
    ev.events = EPOLLIN;
    ev.data.u64 = 42;
    SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, e, &ev));
    wait_and_show(ep, "rearmed", 0);
    close(q[1]);
    wait_and_show(ep, "hang up", 0);
    SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, q[0], NULL));
    SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, q[0], NULL));
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev));
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, 999, &ev));
    SHOW(epoll_ctl(ep, 77, e, &ev));
    SHOW(syscall(SYS_epoll_ctl, ep, EPOLL_CTL_MOD, e, BAD));
    SHOW(syscall(SYS_epoll_ctl, ep, EPOLL_CTL_DEL, e, BAD));
    SHOW(syscall(SYS_epoll_pwait, ep, BAD, 4, 0, NULL, 8));
    SHOW(syscall(SYS_epoll_pwait, ep, &ev, 0, 0, NULL, 8));
    SHOW(syscall(SYS_epoll_pwait, ep, &ev, -1, 0, NULL, 8));
    SHOW(syscall(SYS_epoll_pwait, ep, &ev, 0x7fffffff, 0, NULL, 8));
    SHOW(syscall(SYS_epoll_pwait, e, &ev, 1, 0, NULL, 8));
    struct epoll_event one[3];
    memset(one, 0x55, sizeof one);
    SHOW(epoll_wait(ep, one, 1, 0));
    SAY("no more written than asked for: %d", one[1].events == 0x55555555 && one[1].data.u64 == 0x5555555555555555ull);
    char c;
    read(p[0], &c, 1);
    struct timespec none = {0, 0}, soon = {0, 2000000}, wrong = {0, -1};
    SHOW(syscall(SYS_epoll_pwait2, ep, one, 3, &none, NULL, 8));
    SHOW(syscall(SYS_epoll_pwait2, ep, one, 3, &soon, NULL, 8));
    SHOW(syscall(SYS_epoll_pwait2, ep, one, 3, &wrong, NULL, 8));
    wait_and_show(ep, "nothing", 5);
    // many ready at once
    int many = epoll_create1(0), got = 0;
    uint64_t sum = 0;
    for (int i = 0; i < 600; i++) {
        struct epoll_event m = {.events = EPOLLIN, .data.u64 = 0x100000001ull * (i + 1)};
        int fd = eventfd(1, 0);
        epoll_ctl(many, EPOLL_CTL_ADD, fd, &m);
    }
    struct epoll_event all[1000];
    got = epoll_wait(many, all, 1000, 0);
    for (int i = 0; i < got; i++) sum += all[i].data.u64;
    SAY("many: %d %llx", got, (unsigned long long)sum);
    return 0;
}
