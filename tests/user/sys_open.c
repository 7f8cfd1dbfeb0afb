// Open flags that sit in different bits on arm64 and x86-64, on the way in and on the way out; openat2; descriptors' flags.
#include "sys.h"
#include <linux/openat2.h>

static void flags(const char *what, int fd) {
    int f = fcntl(fd, F_GETFL);
    printf("%s:%s%s%s%s%s%s%s%s%s%s%s\n", what, f < 0 ? " error" : "", (f & O_ACCMODE) == O_RDWR ? " rdwr" : "", (f & O_ACCMODE) == O_WRONLY ? " wronly" : "",
           f & O_APPEND ? " append" : "", f & O_NONBLOCK ? " nonblock" : "", f & O_DIRECTORY ? " directory" : "", f & O_NOFOLLOW ? " nofollow" : "",
           f & O_DIRECT ? " direct" : "", (f & O_SYNC) == O_SYNC ? " sync" : "", f & O_PATH ? " path" : "", f & O_NOATIME ? " noatime" : "");
}

int main(void) {
    close(touch("file", "text"));
    mkdir("dir", 0755);
    symlink("file", "sym");
    symlink("dir", "symdir");
    SHOW(open("file", O_RDONLY | O_DIRECTORY));
    SHOW(open("sym", O_RDONLY | O_NOFOLLOW));
    SHOW(open("dir", O_WRONLY));
    SHOW(open("dir", O_RDONLY | O_CREAT, 0644));
    SHOW(open("file", O_RDWR | O_CREAT | O_EXCL, 0644));
    SHOW(open("symdir", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    int d = open("dir", O_RDONLY | O_DIRECTORY);
    flags("dir", d);
    SHOW(openat(d, "../sym", O_RDONLY | O_NOFOLLOW));
    SHOW(openat(999, "file", O_RDONLY));
    SHOW(open(BAD, O_RDONLY));
    SHOW(open("", O_RDONLY));
    int p = open("sym", O_PATH | O_NOFOLLOW);
    flags("path", p);
    char text[64];
    SHOW(readlinkat(p, "", text, sizeof text));
    int f = open("file", O_RDWR | O_APPEND | O_SYNC | O_NOATIME);
    flags("file", f);
    SHOW(fcntl(f, F_SETFL, O_NONBLOCK));
    flags("after F_SETFL", f);
    int direct = open("file", O_RDONLY | O_DIRECT);
    SAY("direct %s", direct >= 0 || errno == EINVAL ? "as the file system says" : "wrong");
    if (direct >= 0) flags("direct", direct);
    int t = open(".", O_TMPFILE | O_RDWR, 0600);
    SAY("tmpfile %s", t >= 0 || errno == EOPNOTSUPP ? "as the file system says" : strerrorname_np(errno));
    if (t >= 0) {
        SHOW(write(t, "abc", 3));
        struct stat s;
        SHOW(fstat(t, &s));
        SAY("tmpfile links %lu", (unsigned long)s.st_nlink);
    }
    SHOW(open(".", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0600));

    int pipe[2];
    SHOW(pipe2(pipe, O_DIRECT | O_NONBLOCK | O_CLOEXEC));
    flags("pipe", pipe[1]);
    SHOW(fcntl(pipe[0], F_GETFD));
    write(pipe[1], "one", 3);
    write(pipe[1], "second", 6);
    SHOW(read(pipe[0], text, sizeof text));  // packet mode: 3
    SHOW(read(pipe[0], text, sizeof text));
    SHOW(read(pipe[0], text, sizeof text));
    SHOW(pipe2(pipe, O_DIRECTORY));
    SHOW(syscall(SYS_pipe2, BAD, 0));
    SHOW(fcntl(pipe[0], F_SETPIPE_SZ, 8192));
    SHOW(fcntl(pipe[0], F_GETPIPE_SZ));

    struct open_how how = {.flags = O_RDONLY | O_NOFOLLOW};
    SHOW(syscall(SYS_openat2, AT_FDCWD, "sym", &how, sizeof how));
    how.flags = O_RDONLY | O_DIRECTORY;
    SHOW(syscall(SYS_openat2, AT_FDCWD, "file", &how, sizeof how));
    how = (struct open_how){.flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS};
    SHOW(syscall(SYS_openat2, AT_FDCWD, "sym", &how, sizeof how));
    how.resolve = RESOLVE_BENEATH;
    SHOW(syscall(SYS_openat2, d, "../file", &how, sizeof how));
    OK(syscall(SYS_openat2, AT_FDCWD, "sym", &how, sizeof how));
    SHOW(syscall(SYS_openat2, AT_FDCWD, "file", &how, 8));
    SHOW(syscall(SYS_openat2, AT_FDCWD, "file", BAD, sizeof how));
    how.flags = 1ull << 40;
    SHOW(syscall(SYS_openat2, AT_FDCWD, "file", &how, sizeof how));
    struct { struct open_how how; uint64_t more; } big = {{.flags = O_RDONLY}, 0};
    OK(syscall(SYS_openat2, AT_FDCWD, "file", &big, sizeof big));
    big.more = 1;
    SHOW(syscall(SYS_openat2, AT_FDCWD, "file", &big, sizeof big));

    SHOW(fcntl(f, F_DUPFD, 200));
    SHOW(fcntl(f, F_DUPFD_CLOEXEC, 200));
    SHOW(fcntl(201, F_GETFD));
    SHOW(dup3(f, 210, O_CLOEXEC));
    SHOW(dup3(f, f, 0));
    SHOW(dup2(f, f));
    SHOW(dup3(f, 211, O_NONBLOCK));
    SHOW(fcntl(f, 9999));
    SHOW(fcntl(999, F_GETFD));
    SHOW(close_range(200, 220, 0));
    SHOW(fcntl(201, F_GETFD));
    SHOW(close_range(220, 200, 0));
    SHOW(fcntl(f, F_SETFD, FD_CLOEXEC));
    SHOW(fcntl(f, F_GETFD));
    return 0;
}
