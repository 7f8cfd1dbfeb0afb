// Signals: siginfo, masks, nesting, alternate stacks, edited contexts, faults, restarts, real-time order, defaults.
#include "sys.h"
#include <pthread.h>
#include <setjmp.h>
#include <ucontext.h>

static volatile int hits, order[64];
static volatile siginfo_t seen;
static sigjmp_buf back;
static char *volatile fault_at;

static void install(int sig, void (*f)(int, siginfo_t *, void *), int flags) {
    struct sigaction a = {.sa_sigaction = f, .sa_flags = flags | SA_SIGINFO};
    sigemptyset(&a.sa_mask);
    sigaction(sig, &a, NULL);
}
static void note(int sig, siginfo_t *i, void *c) { order[hits++ & 63] = sig; seen = *i; }
static void jump(int sig, siginfo_t *i, void *c) { seen = *i; siglongjmp(back, sig); }

#if defined(__aarch64__)
static void skip(int sig, siginfo_t *i, void *c) { ((ucontext_t *)c)->uc_mcontext.pc += 4; seen = *i; hits++; }
static long probe(char *p) { register long v asm("x19") = 42; asm volatile("str %w0, [%1]" : "+r"(v) : "r"(p) : "memory"); return v; }
static void edit(int sig, siginfo_t *i, void *c) { ((ucontext_t *)c)->uc_mcontext.regs[19] = 99; ((ucontext_t *)c)->uc_mcontext.pc += 4; hits++; }
#else
static void skip(int sig, siginfo_t *i, void *c) { ((ucontext_t *)c)->uc_mcontext.gregs[REG_RIP] += 2; seen = *i; hits++; }
static long probe(char *p) { register long v asm("rbx") = 42; asm volatile("movl %%ebx, (%1)" : "+r"(v) : "a"(p) : "memory"); return v; }
static void edit(int sig, siginfo_t *i, void *c) { ((ucontext_t *)c)->uc_mcontext.gregs[REG_RBX] = 99; ((ucontext_t *)c)->uc_mcontext.gregs[REG_RIP] += 2; hits++; }
#endif

static int on_stack(stack_t *s) { char c; return &c >= (char *)s->ss_sp && &c < (char *)s->ss_sp + s->ss_size; }
static stack_t alt;
static void check_stack(int sig, siginfo_t *i, void *c) { stack_t s; sigaltstack(NULL, &s); SAY("on alternate stack %d flags %d", on_stack(&alt), s.ss_flags); }
static int deep(int n) { volatile char room[4096]; room[0] = n; return n ? deep(n + 1) + room[0] : 0; }
static void overflow(int sig, siginfo_t *i, void *c) { siglongjmp(back, 100 + on_stack(&alt)); }

static void *interrupter(void *target) {
    usleep(20000);
    pthread_kill(*(pthread_t *)target, SIGUSR1);
    return NULL;
}

static void reads_interrupted(int flags) {
    int p[2];
    pipe(p);
    pthread_t self = pthread_self(), t;
    install(SIGUSR1, note, flags);
    pthread_create(&t, NULL, interrupter, &self);
    char c;
    if (flags & SA_RESTART) {
        // the read goes on after the handler: it ends because the other end is closed by the alarm handler's child
        pid_t w = fork();
        if (w == 0) { close(p[0]); usleep(60000); write(p[1], "z", 1); _exit(0); }
        close(p[1]);
        SHOW(read(p[0], &c, 1));
        waitpid(w, NULL, 0);
    } else {
        SHOW(read(p[0], &c, 1));
    }
    pthread_join(t, NULL);
}

static void spin_alarm(int sig, siginfo_t *i, void *c) { hits++; }

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    install(SIGUSR1, note, 0);
    raise(SIGUSR1);
    SAY("usr1 %d code %d from us %d", hits, seen.si_code, seen.si_pid == getpid());
    union sigval v = {.sival_int = 1234};
    install(SIGRTMIN + 1, note, 0);
    install(SIGRTMIN, note, 0);
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    hits = 0;
    sigqueue(getpid(), SIGRTMIN + 1, v);
    v.sival_int++;
    sigqueue(getpid(), SIGRTMIN, v);
    sigqueue(getpid(), SIGRTMIN, v);
    raise(SIGUSR1);
    sigset_t pend;
    sigpending(&pend);
    SAY("pending %d %d %d", sigismember(&pend, SIGUSR1), sigismember(&pend, SIGRTMIN), sigismember(&pend, SIGUSR2));
    SAY("blocked hits %d", hits);
    sigprocmask(SIG_SETMASK, &old, NULL);
    SAY("order %d %d %d %d of %d, value %d", order[0] - SIGRTMIN, order[1] - SIGRTMIN, order[2] - SIGRTMIN, order[3], hits, seen.si_value.sival_int);

    // faults
    install(SIGSEGV, jump, SA_NODEFER);
    install(SIGBUS, jump, SA_NODEFER);
    install(SIGILL, jump, SA_NODEFER);
    install(SIGTRAP, jump, SA_NODEFER);
    fault_at = (char *)0x1234;
    if (!sigsetjmp(back, 1)) *fault_at = 1;
    else SAY("segv code %d at %p", seen.si_code, seen.si_addr);
    char *page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fault_at = page + 12;
    if (!sigsetjmp(back, 1)) *fault_at = 1;
    else SAY("segv code %d at +%ld", seen.si_code, (long)((char *)seen.si_addr - page));
    char name[] = "/tmp/sigXXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    char *file = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (!sigsetjmp(back, 1)) file[5] = 1;
    else SAY("bus %d code %d at +%ld", seen.si_signo == SIGBUS, seen.si_code, (long)((char *)seen.si_addr - file));
    if (!sigsetjmp(back, 1)) ((void (*)(void))page)();
    else SAY("jump to data: segv %d code %d at +%ld", seen.si_signo == SIGSEGV, seen.si_code, (long)((char *)seen.si_addr - page));
    if (!sigsetjmp(back, 1)) ((void (*)(void))0x10000000)();
    else SAY("wild jump: segv %d code %d at %p", seen.si_signo == SIGSEGV, seen.si_code, seen.si_addr);
    if (!sigsetjmp(back, 1)) __builtin_trap();
    else SAY("trap %d", seen.si_signo == SIGILL || seen.si_signo == SIGTRAP);

    // edited contexts
    install(SIGSEGV, skip, 0);
    hits = 0;
    SAY("skipped %ld", probe((char *)0x2000));
    install(SIGSEGV, edit, 0);
    long edited = probe((char *)0x2000);
    SAY("edited %ld hits %d", edited, hits);

    // alternate stacks
    alt = (stack_t){.ss_sp = malloc(64 << 10), .ss_size = 64 << 10};
    SHOW(sigaltstack(&alt, NULL));
    install(SIGUSR2, check_stack, SA_ONSTACK);
    raise(SIGUSR2);
    install(SIGUSR2, check_stack, 0);
    raise(SIGUSR2);
    SHOW(sigaltstack(&(stack_t){.ss_sp = alt.ss_sp, .ss_size = 100}, NULL));
    SHOW(sigaltstack(&(stack_t){.ss_flags = 77}, NULL));
    install(SIGSEGV, overflow, SA_ONSTACK);
    int how = sigsetjmp(back, 1);
    if (!how) deep(1);
    else SAY("stack overflow handled on alternate stack: %d", how);

    // flags
    install(SIGUSR1, note, SA_RESETHAND);
    raise(SIGUSR1);
    struct sigaction a;
    sigaction(SIGUSR1, NULL, &a);
    SAY("reset %d", a.sa_handler == SIG_DFL);
    hits = 0;
    reads_interrupted(0);
    SAY("hits %d", hits);
    reads_interrupted(SA_RESTART);
    SAY("hits %d", hits);

    // a loop without system calls is interrupted
    install(SIGALRM, spin_alarm, 0);
    hits = 0;
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
    while (hits < 50) {}
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    SAY("alarms seen");

    // waiting
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    raise(SIGUSR1);
    siginfo_t info;
    SHOW(sigwaitinfo(&usr1, &info) == SIGUSR1);
    SHOW(sigtimedwait(&usr1, &info, &(struct timespec){0, 1000}));
    install(SIGUSR1, note, 0);
    hits = 0;
    raise(SIGUSR1);
    sigset_t none;
    sigemptyset(&none);
    SHOW(sigsuspend(&none));
    sigprocmask(SIG_BLOCK, NULL, &old);
    SAY("suspended once %d, blocked again %d", hits, sigismember(&old, SIGUSR1));

    // how children end
    int sigs[] = {SIGTERM, SIGSEGV, SIGABRT, SIGKILL, SIGUSR2, SIGILL, SIGFPE, SIGRTMAX};
    fflush(stdout);
    for (unsigned i = 0; i < sizeof sigs / sizeof *sigs; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            signal(sigs[i], SIG_DFL);
            sigprocmask(SIG_SETMASK, &none, NULL);
            kill(getpid(), sigs[i]);
            _exit(1);
        }
        int st;
        waitpid(pid, &st, 0);
        SAY("signalled %d with %d", WIFSIGNALED(st), WTERMSIG(st) == sigs[i]);
    }
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_IGN);
        *(volatile char *)fault_at = 1;
        _exit(1);
    }
    int st;
    waitpid(pid, &st, 0);
    SAY("an ignored fault kills: %d", WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV);
    pid = fork();
    if (pid == 0) { pause(); _exit(0); }
    kill(pid, SIGSTOP);
    waitpid(pid, &st, WUNTRACED);
    SAY("stopped %d", WIFSTOPPED(st));
    kill(pid, SIGCONT);
    waitpid(pid, &st, WCONTINUED);
    SAY("continued %d", WIFCONTINUED(st));
    kill(pid, SIGTERM);
    waitpid(pid, &st, 0);
    SAY("ended by %d", WTERMSIG(st));
    return 0;
}
