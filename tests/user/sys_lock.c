// struct flock in fcntl: classic and open-file-description locks, leases, owners.
#include "sys.h"
#include <sys/file.h>

int main(void) {
    int fd = touch("file", "0123456789"), other = open("file", O_RDWR);
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2, .l_len = 3};
    SHOW(fcntl(fd, F_SETLK, &l));
    fflush(stdout);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        struct flock t = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0x123456789abll};
        SHOW(fcntl(other, F_GETLK, &t));
        SAY("held: type=%d start=%ld len=%ld parent=%d", t.l_type == F_WRLCK, (long)t.l_start, (long)t.l_len, t.l_pid == parent);
        t = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 4, .l_len = 1};
        SHOW(fcntl(other, F_SETLK, &t));
        t.l_start = 5;
        SHOW(fcntl(other, F_SETLK, &t));
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    struct flock o = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 8, .l_len = 1};
    SHOW(fcntl(fd, F_OFD_SETLK, &o));
    o = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 7, .l_len = 5};
    SHOW(fcntl(other, F_OFD_GETLK, &o));
    SAY("ofd: type=%d start=%ld pid=%d", o.l_type == F_WRLCK, (long)o.l_start, o.l_pid);
    o = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 8, .l_len = 1};
    SHOW(fcntl(other, F_OFD_SETLK, &o));
    l = (struct flock){.l_type = F_UNLCK, .l_whence = SEEK_SET};
    SHOW(fcntl(fd, F_SETLK, &l));
    SHOW(syscall(SYS_fcntl, fd, F_SETLK, BAD));
    SHOW(syscall(SYS_fcntl, fd, F_GETLK, BAD));
    SHOW(flock(fd, LOCK_EX | LOCK_NB));
    SHOW(flock(other, LOCK_EX | LOCK_NB));
    SHOW(flock(fd, LOCK_UN));
    int r = open("file", O_RDONLY);
    SHOW(fcntl(r, F_GETLEASE));
    struct f_owner_ex own = {F_OWNER_PID, parent}, got;
    int p[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    SHOW(fcntl(p[0], F_SETOWN_EX, &own));
    SHOW(fcntl(p[0], F_GETOWN_EX, &got));
    SAY("owner %d %d", got.type == F_OWNER_PID, got.pid == parent);
    SAY("F_GETOWN %d", fcntl(p[0], F_GETOWN) == parent);
    SHOW(fcntl(p[0], F_SETSIG, SIGRTMIN + 3 - 37));
    SHOW(fcntl(p[0], F_GETSIG));
    return 0;
}
