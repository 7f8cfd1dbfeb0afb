// Shared by the system-call tests: each program prints facts that must not depend on the machine; the runner compares what the
// x86-64 build prints natively with what the arm64 build prints under metaphrase.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// "what = result" or "what = -1 ERRNAME"; the value itself only if it is machine independent (SHOW), else just its sign (OK).
#define SHOW(call) do { errno = 0; long r_ = (long)(call); if (r_ == -1 && errno) printf("%s = -1 %s\n", #call, strerrorname_np(errno)); else printf("%s = %ld\n", #call, r_); } while (0)
#define OK(call) do { errno = 0; long r_ = (long)(call); if (r_ < 0 && r_ > -4096 && errno) printf("%s = -1 %s\n", #call, strerrorname_np(errno)); else printf("%s ok\n", #call); } while (0)
#define SAY(...) do { printf(__VA_ARGS__); putchar('\n'); } while (0)

#define BAD ((void *)0x10)  // never mapped

// A fresh scratch folder, made the current one; the runner's cwd is removed afterwards.
__attribute__((unused)) static int touch(const char *path, const char *text) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (write(fd, text, strlen(text)) < 0) perror("touch");
    return fd;
}
