// fork, vfork, posix_spawn, execve in its forms, what the new program sees, and errors.
#include "sys.h"
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
extern char **environ;

static void report(int argc, char **argv) {
    for (int i = 0; i < argc; i++) SAY("argv[%d] = %s", i, i == 0 || strncmp(argv[i], "/tmp/", 5) ? argv[i] : "(path)");
    char exe[4096] = "", comm[32] = "";
    long n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    SAY("exe is absolute %d", n > 0 && exe[0] == '/');
    SAY("execfn %s", (char *)getauxval(AT_EXECFN));
    prctl(PR_GET_NAME, comm);
    if (strncmp((char *)getauxval(AT_EXECFN), "/dev/fd", 7)) SAY("comm %s", comm);
    sigset_t m;
    sigprocmask(SIG_BLOCK, NULL, &m);
    struct sigaction a;
    sigaction(SIGUSR1, NULL, &a);
    SAY("usr2 blocked %d, usr1 ignored %d", sigismember(&m, SIGUSR2), a.sa_handler == SIG_IGN);
    sigaction(SIGSEGV, NULL, &a);
    SAY("segv ignored %d", a.sa_handler == SIG_IGN);
    char line[4096] = "";
    int fd = open("/proc/self/cmdline", O_RDONLY);
    n = read(fd, line, sizeof line);
    SAY("cmdline starts with argv[0]: %d, %d strings", !strcmp(line, argv[0]), argc);
    for (char **e = environ; *e; e++) SAY("env %s", *e);
    for (int i = 3; i < 20; i++) if (fcntl(i, F_GETFD) >= 0) SAY("fd %d is open", i);
    fflush(stdout);
}

static int wait_for(pid_t pid) {
    int st;
    if (waitpid(pid, &st, 0) < 0) return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "report")) {
        report(argc, argv);
        return 17;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    char *env[] = {"A=1", "B=two words", NULL};
    char *args[] = {"strange name", "report", "", "last", NULL};
    char self[4096];
    self[readlink("/proc/self/exe", self, sizeof self - 1)] = 0;
    symlink(self, "link");
    signal(SIGUSR1, SIG_IGN);
    sigset_t usr2;
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    sigprocmask(SIG_BLOCK, &usr2, NULL);
    if (argc > 2) return 99;

    pid_t pid = fork();
    if (pid == 0) { signal(SIGSEGV, SIG_IGN); execve("./link", args, env); _exit(1); }
    SAY("execve: %d", wait_for(pid));

    pid = vfork();
    if (pid == 0) { execve("./link", args, env); _exit(1); }
    SAY("vfork: %d", wait_for(pid));

    volatile int shared = 0;
    pid = vfork();
    if (pid == 0) { shared = 5; _exit(3); }
    SAY("vfork shares memory: %d, %d", shared, wait_for(pid));

    int spawned = posix_spawn(&pid, "./link", NULL, NULL, args, env);
    SAY("spawn: %d %d", wait_for(pid), spawned);
    SAY("spawn of nothing: %s", strerrorname_np(posix_spawn(&pid, "./nothing", NULL, NULL, args, env)));

    int fd = open("./link", O_RDONLY | O_CLOEXEC);
    pid = fork();
    if (pid == 0) { fexecve(fd, args, env); _exit(1); }
    SAY("fexecve: %d", wait_for(pid));

    int s = open("script", O_CREAT | O_WRONLY, 0755);
    dprintf(s, "#! %s report \n", "./link");
    close(s);
    pid = fork();
    if (pid == 0) { execve("./script", args, env); _exit(1); }
    SAY("script: %d", wait_for(pid));

    close(touch("text", "no program\n"));
    chmod("text", 0755);
    close(touch("denied", "x"));
    chmod("denied", 0644);
    s = open("loop", O_CREAT | O_WRONLY, 0755);
    dprintf(s, "#!./loop\n");
    close(s);
    SHOW(execve("./nothing", args, env));
    SHOW(execve("./text", args, env));
    SHOW(execve("./denied", args, env));
    SHOW(execve(".", args, env));
    SHOW(execve("./text/x", args, env));
    SHOW(execve("./loop", args, env));
    SHOW(execve(BAD, args, env));
    SHOW(execve("./link", (char **)BAD, env));
    SHOW(syscall(SYS_execveat, fd, "", args, env, 0));
    SHOW(syscall(SYS_execveat, AT_FDCWD, "./link", args, env, 0x40000000));
    return 0;
}
