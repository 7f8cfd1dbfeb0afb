// What a process may ask and set about itself: names, limits, scheduling, identity, capabilities, descriptors of processes.
#include "sys.h"
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <linux/membarrier.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static void limits(void) {
    struct rlimit l, before;
    getrlimit(RLIMIT_AS, &before);
    l = (struct rlimit){64 << 20, before.rlim_max};
    SHOW(setrlimit(RLIMIT_AS, &l));
    memset(&l, 0, sizeof l);
    SHOW(getrlimit(RLIMIT_AS, &l));
    SAY("address space %lu", (unsigned long)l.rlim_cur);
    SHOW(setrlimit(RLIMIT_AS, &before));
    l = (struct rlimit){256 << 10, 4096 << 20l};
    SHOW(prlimit(0, RLIMIT_STACK, NULL, &before));
    l.rlim_max = before.rlim_max;
    SHOW(setrlimit(RLIMIT_STACK, &l));
    SHOW(prlimit(getpid(), RLIMIT_STACK, &before, &l));
    SAY("stack was %lu", (unsigned long)l.rlim_cur);
    SHOW(setrlimit(RLIMIT_DATA, &(struct rlimit){2, 1}));
    getrlimit(RLIMIT_NOFILE, &before);
    l = (struct rlimit){20, before.rlim_max};
    SHOW(setrlimit(RLIMIT_NOFILE, &l));
    int n = 0, fd;
    while ((fd = dup(0)) >= 0) n = fd;
    SAY("last descriptor %d %s", n, strerrorname_np(errno));
    for (; n > 2; n--) close(n);
    SHOW(setrlimit(RLIMIT_NOFILE, &before));
    SHOW(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
    SHOW(getrlimit(99, &l));
    SHOW(syscall(SYS_prlimit64, 0, RLIMIT_AS, BAD, NULL));
    SHOW(syscall(SYS_prlimit64, 0, RLIMIT_AS, NULL, BAD));
    l = (struct rlimit){1 << 20, 1 << 20};
    signal(SIGXFSZ, SIG_IGN);
    l.rlim_max = RLIM_INFINITY;
    l.rlim_cur = 5;
    SHOW(setrlimit(RLIMIT_FSIZE, &l));
    int f = open("limited", O_CREAT | O_WRONLY, 0600);
    SHOW(write(f, "0123456789", 10));
    SHOW(write(f, "0123456789", 10));
    l.rlim_cur = RLIM_INFINITY;
    SHOW(setrlimit(RLIMIT_FSIZE, &l));
}

static void scheduling(void) {
    SHOW(getpriority(PRIO_PROCESS, 0));
    SHOW(syscall(SYS_getpriority, PRIO_PROCESS, 0));
    SHOW(setpriority(PRIO_PROCESS, 0, 5));
    SHOW(syscall(SYS_getpriority, PRIO_PROCESS, 0));
    SHOW(sched_getscheduler(0));
    SHOW(sched_get_priority_max(SCHED_FIFO));
    SHOW(sched_get_priority_min(SCHED_RR));
    SHOW(sched_get_priority_max(99));
    struct sched_param p = {0};
    SHOW(sched_getparam(0, &p));
    SHOW(sched_setscheduler(0, SCHED_BATCH, &p));
    SHOW(sched_getscheduler(0));
    struct timespec ts;
    SHOW(sched_rr_get_interval(0, &ts));
    cpu_set_t set;
    SAY("affinity %d", sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0);
    SHOW(sched_setaffinity(0, sizeof set, &set));
    unsigned char raw[128];
    SAY("raw size multiple %d", syscall(SYS_sched_getaffinity, 0, sizeof raw, raw) % 8 == 0);
    SHOW(syscall(SYS_sched_getaffinity, 0, 1, raw));
    struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; uint32_t umin, umax; } attr = {0};
    SHOW(syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0));
    SAY("attr size %u policy %u nice %d", attr.size, attr.policy, attr.nice);
    SHOW(sched_yield());
    unsigned cpu = 9999, node = 9999;
    SHOW(syscall(SYS_getcpu, &cpu, &node, NULL));
    SAY("cpu %d", cpu < 4096 && node < 64);
    SHOW(syscall(SYS_ioprio_get, 1, 0) >= 0);
}

static void identity(void) {
    struct utsname u;
    SHOW(uname(&u));
    SAY("%s", u.sysname);
    uid_t r, e, s;
    SHOW(getresuid(&r, &e, &s));
    SAY("ids %d", r == getuid() && e == geteuid());
    SHOW(setresuid(-1, -1, -1));
    SHOW(setreuid(-1, -1));
    SHOW(setfsuid(-1) == (int)geteuid());
    gid_t groups[64];
    SAY("groups %d", getgroups(64, groups) == getgroups(0, NULL));
    SHOW(syscall(SYS_getgroups, -1, groups));
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2];
    SHOW(syscall(SYS_capget, &h, d));
    SHOW(syscall(SYS_capset, &h, d));
    h.version = 1;
    SHOW(syscall(SYS_capget, &h, d));
    SAY("version %x", h.version);
    SHOW(getpgid(0) == getpgrp());
    SHOW(getsid(0) > 0);
    SHOW(getsid(-1));
    SHOW(setpgid(0, 0));
    SHOW(getpgrp() == getpid());
    SHOW(getppid() > 0);
    SHOW(gettid() == getpid());
    struct sysinfo info;
    SHOW(sysinfo(&info));
    SAY("memory %d", info.totalram >= info.freeram && info.mem_unit > 0 && info.procs > 0);
    SHOW(syscall(SYS_sysinfo, BAD));
}

static void controls(void) {
    char name[16] = "";
    SHOW(prctl(PR_SET_NAME, "a-rather-long-name-for-a-thread"));
    SHOW(prctl(PR_GET_NAME, name));
    SAY("%s", name);
    FILE *f = fopen("/proc/self/comm", "r");
    char line[40] = "";
    fgets(line, sizeof line, f);
    printf("comm %s", line);
    fclose(f);
    SHOW(prctl(PR_SET_PDEATHSIG, SIGTERM));
    int sig = 0;
    SHOW(prctl(PR_GET_PDEATHSIG, &sig));
    SAY("%d", sig);
    SHOW(prctl(PR_SET_PDEATHSIG, 0));
    SHOW(prctl(PR_GET_DUMPABLE));
    SHOW(prctl(PR_SET_DUMPABLE, 1));
    SHOW(prctl(PR_GET_KEEPCAPS));
    SHOW(prctl(PR_SET_TIMERSLACK, 60000));
    SHOW(prctl(PR_GET_TIMERSLACK));
    SHOW(prctl(PR_SET_CHILD_SUBREAPER, 1));
    SHOW(prctl(PR_GET_CHILD_SUBREAPER, &sig));
    SAY("%d", sig);
    SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SHOW(prctl(PR_CAPBSET_READ, 0) >= 0);
    SHOW(prctl(987654));
    SHOW(personality(0xffffffff));
    SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) > 0);
    SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
    SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    SHOW(syscall(SYS_membarrier, 1 << 30, 0, 0));
    char random[16] = {0};
    SHOW(getrandom(random, sizeof random, 0));
    SHOW(getrandom(random, sizeof random, 0x100));
    SHOW(syscall(SYS_getrandom, BAD, 16, 0));
}

static void processes(void) {
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(9);
    }
    int p = syscall(SYS_pidfd_open, child, 0);
    SAY("pidfd %d", p >= 0);
    int f = touch("other", "other");
    int got = syscall(SYS_pidfd_getfd, p, f, 0);
    SAY("getfd %s", got >= 0 || errno == EBADF || errno == EPERM ? "answered" : strerrorname_np(errno));
    SHOW(syscall(SYS_pidfd_send_signal, p, SIGTERM, NULL, 0));
    siginfo_t info;
    SHOW(waitid(P_PIDFD, p, &info, WEXITED));
    SAY("code %d status %d child %d", info.si_code, info.si_status, info.si_pid == child);
    SHOW(syscall(SYS_pidfd_send_signal, p, 0, NULL, 0));
    SHOW(syscall(SYS_pidfd_open, -1, 0));
    SHOW(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, f, f));
    SHOW(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, f, 0) > 0);
    char from[10] = "memory", to[10] = "";
    struct iovec l = {to, 7}, r = {from, 7}, bad = {BAD, 7};
    SHOW(process_vm_readv(getpid(), &l, 1, &r, 1, 0));
    SAY("%s", to);
    SHOW(process_vm_readv(getpid(), &l, 1, &bad, 1, 0));
    SHOW(process_vm_writev(getpid(), &l, 1, &r, 1, 0));
    int status;
    struct rusage u;
    child = fork();
    if (child == 0) _exit(77);
    SHOW(wait4(child, &status, 0, &u) == child);
    SAY("status %d", WEXITSTATUS(status));
    SHOW(wait4(-1, &status, 0, NULL));
    SHOW(syscall(SYS_wait4, -1, BAD, 0xdead0000, NULL));
    SHOW(waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
}

int main(void) {
    limits();
    scheduling();
    identity();
    controls();
    processes();
    return 0;
}
