// Bad pointers and bad descriptors give errors, for every kind of argument; nothing here may kill the program.
#include "sys.h"
#include <sys/resource.h>

int main(void) {
    int f = touch("file", "content"), p[2];
    pipe(p);
    char text[16];
    char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(edge + 4096, 4096, PROT_NONE);
    char *readonly = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *bad[] = {NULL, BAD, none, (void *)-8, (void *)0x0000fffffffff000, (void *)0x7ffffffff000};
    for (int i = 0; i < 6; i++) {
        void *b = bad[i];
        SAY("pointer %d", i);
        SHOW(syscall(SYS_read, f, b, 4));
        SHOW(syscall(SYS_write, p[1], b, 4));
        SHOW(syscall(SYS_openat, AT_FDCWD, b, O_RDONLY));
        SHOW(syscall(SYS_newfstatat, AT_FDCWD, b, text, AT_SYMLINK_NOFOLLOW));
        SHOW(syscall(SYS_fstat, f, b));
        SHOW(syscall(SYS_pipe2, b, 0));
        SHOW(syscall(SYS_uname, b));
        SHOW(syscall(SYS_rt_sigaction, SIGUSR1, b == NULL ? BAD : b, NULL, 8));
        SHOW(syscall(SYS_getcwd, b, 4096));
        SHOW(syscall(SYS_connect, socket(AF_UNIX, SOCK_STREAM, 0), b, 20));
        SHOW(syscall(SYS_getrlimit, RLIMIT_CORE, b));
        SHOW(syscall(SYS_mkdirat, AT_FDCWD, b, 0700));
        SHOW(syscall(SYS_renameat, AT_FDCWD, b, AT_FDCWD, b));
        SHOW(syscall(SYS_statx, AT_FDCWD, "file", 0, 0xfff, b));
        SHOW(syscall(SYS_clock_getres, CLOCK_REALTIME, b == NULL ? BAD : b));
        SHOW(syscall(SYS_writev, p[1], b, 2));
        SHOW(syscall(SYS_execve, b, NULL, NULL));
    }
    // up to the edge of a page
    strcpy(edge + 4096 - 5, "file");
    SHOW(access(edge + 4096 - 5, F_OK));
    memcpy(edge + 4096 - 4, "file", 4);
    SHOW(access(edge + 4096 - 4, F_OK));
    lseek(f, 0, SEEK_SET);
    SHOW(read(f, edge + 4096 - 3, 7));
    lseek(f, 0, SEEK_SET);
    SHOW(read(f, readonly, 4));
    SHOW(syscall(SYS_fstat, f, readonly));
    SHOW(syscall(SYS_newfstatat, AT_FDCWD, "file", edge + 4096 - 64, 0));
    SHOW(write(p[1], readonly, 4));
    char *longname = malloc(5000);
    memset(longname, 'n', 4999);
    longname[4999] = 0;
    SHOW(open(longname, O_RDONLY));
    longname[300] = 0;
    SHOW(open(longname, O_RDONLY));
    SHOW(read(-1, text, 1));
    SHOW(read(f, text, 0));
    SHOW(close(-1));
    SHOW(close(12345));
    SHOW(dup(-1));
    SHOW(lseek(p[0], 0, SEEK_SET));
    SHOW(syscall(9999, 1, 2, 3));
    SHOW(syscall(-1, 1, 2, 3));
    SHOW(syscall(245, 1, 2, 3) < 0);
    return 0;
}
