// A program sees its own descriptors only: it may close, overwrite and list them all.
#include "sys.h"
#include <dirent.h>

static void list(const char *what) {
    DIR *d = opendir("/proc/self/fd");
    struct dirent *e;
    char seen[1 << 16] = {0};
    int most = 0, self = dirfd(d);
    while ((e = readdir(d)))
        if (e->d_name[0] != '.') {
            int fd = atoi(e->d_name);
            if (fd != self && fd < (1 << 16)) seen[fd] = 1, most = fd > most ? fd : most;
        }
    closedir(d);
    printf("%s:", what);
    for (int i = 0; i <= most; i++)
        if (seen[i]) printf(" %d", i);
    putchar('\n');
}

int main(void) {
    close_range(3, ~0u, 0);
    list("at first");
    int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY);
    SAY("lowest first %d %d", a, b);
    SHOW(dup2(a, 100));
    SHOW(dup2(a, 255));
    list("with copies");
    for (int i = 3; i < 70000; i++) close(i);
    list("after closing all");
    int alive = 0;
    struct stat s;
    for (int i = 3; i < 70000; i++) alive += fstat(i, &s) == 0 || fcntl(i, F_GETFD) >= 0 || lseek(i, 0, SEEK_CUR) >= 0;
    SAY("alive: %d", alive);
    SHOW(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC));
    int failed = 0;
    for (int i = 3; i < 1000; i++) failed += dup2(0, i) != i;
    SAY("taken by others below 1000: %d", failed);
    SHOW(close_range(3, ~0u, 0));
    list("at last");
    // still alive: new code, new memory, a child
    pid_t child = fork();
    if (child == 0) {
        char *p = malloc(1 << 20);
        memset(p, 7, 1 << 20);
        _exit(p[12345]);
    }
    int status;
    waitpid(child, &status, 0);
    SAY("child %d", WEXITSTATUS(status));
    return 0;
}
