// Calls on paths and data: names, links, directories, attributes, sparse files, copies between descriptors, watches.
#include "sys.h"
#include <dirent.h>
#include <linux/fs.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

static int by_name(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }

static void list(const char *path) {
    char *names[300], text[4096];
    int n = 0, fd = open(path, O_RDONLY | O_DIRECTORY), got;
    struct entry { uint64_t ino; int64_t off; uint16_t len; uint8_t type; char name[]; };
    while ((got = syscall(SYS_getdents64, fd, text, 200)) > 0)
        for (int at = 0; at < got; at += ((struct entry *)(text + at))->len) {
            struct entry *e = (struct entry *)(text + at);
            asprintf(&names[n++], "%s:%d", e->name, e->type);
        }
    qsort(names, n, sizeof *names, by_name);
    printf("%s:", path);
    for (int i = 0; i < n; i++) printf(" %s", names[i]);
    printf(" (%d)\n", got);
    close(fd);
}

static void names(void) {
    SHOW(mkdir("d", 0751));
    SHOW(mkdir("d", 0751));
    SHOW(mkdirat(999, "e", 0700));
    int d = open("d", O_RDONLY | O_DIRECTORY);
    close(openat(d, "one", O_CREAT | O_WRONLY, 0600));
    close(openat(d, "two", O_CREAT | O_WRONLY, 0600));
    SHOW(mknodat(d, "fifo", S_IFIFO | 0600, 0));
    SHOW(symlinkat("one", d, "link"));
    SHOW(linkat(d, "one", d, "hard", 0));
    SHOW(linkat(d, "link", d, "linklink", 0));
    SHOW(linkat(d, "link", d, "followed", AT_SYMLINK_FOLLOW));
    list("d");
    char text[64] = "";
    SHOW(readlinkat(d, "link", text, sizeof text));
    SAY("%.3s", text);
    SHOW(readlinkat(d, "link", text, 2));
    SHOW(readlinkat(d, "one", text, 2));
    SHOW(syscall(SYS_readlinkat, d, "link", text, 0));
    SHOW(syscall(SYS_readlinkat, d, "link", BAD, 10));
    SHOW(renameat2(d, "one", d, "two", RENAME_NOREPLACE));
    SHOW(renameat2(d, "one", d, "fifo", RENAME_EXCHANGE));
    list("d");
    SHOW(renameat(d, "two", AT_FDCWD, "moved"));
    SHOW(rename("moved", "d"));
    SHOW(unlinkat(d, "nothing", 0));
    SHOW(unlinkat(AT_FDCWD, "d", 0));
    SHOW(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
    SHOW(fchmodat(d, "hard", 0604, 0));
    SHOW(faccessat(d, "hard", X_OK, AT_EACCESS));
    SHOW(fchownat(d, "link", -1, -1, AT_SYMLINK_NOFOLLOW));
    char *here = getcwd(NULL, 0);
    SHOW(chdir("d"));
    char *below = getcwd(NULL, 0);
    SAY("cwd below: %d", !strncmp(here, below, strlen(here)) && !strcmp(below + strlen(here), "/d"));
    SHOW(syscall(SYS_getcwd, text, 3));
    char room[4096];
    SAY("length with the end %d", syscall(SYS_getcwd, room, 4096) == (long)strlen(room) + 1);
    SHOW(fchdir(open("..", O_RDONLY)));
    SHOW(chdir("moved"));
    umask(022);
    SHOW(umask(077));
    SHOW(umask(022));
}

static void data(void) {
    int f = touch("data", "0123456789abcdef"), g = touch("copy", "");
    SHOW(pwrite(f, "XY", 2, 4));
    char text[64] = "";
    SHOW(pread(f, text, 8, 2));
    SAY("%.8s", text);
    struct iovec v[2] = {{text, 3}, {text + 10, 5}};
    SHOW(preadv(f, v, 2, 1));
    SAY("%.3s %.5s", text, text + 10);
    SHOW(preadv2(f, v, 2, 1, RWF_NOWAIT) > -2);
    SHOW(pwritev2(f, v, 2, 40, RWF_DSYNC));
    SHOW(pwritev2(f, v, 2, 40, 0x40000000));
    SHOW(syscall(SYS_pwritev, f, v, 2000, 0, 0));
    SHOW(ftruncate(f, 1 << 20));
    SHOW(lseek(f, 0, SEEK_DATA));
    OK(lseek(f, 0, SEEK_HOLE));
    SHOW(lseek(f, 2 << 20, SEEK_DATA));
    SHOW(lseek(f, -1, SEEK_SET));
    SHOW(lseek(f, 0, 99));
    OK(fallocate(f, FALLOC_FL_KEEP_SIZE, 0, 2 << 20));
    SHOW(fallocate(f, FALLOC_FL_PUNCH_HOLE, 0, 10));
    SHOW(posix_fadvise(f, 0, 0, POSIX_FADV_DONTNEED));
    SHOW(posix_fadvise(f, 0, 0, 99));
    SHOW(sync_file_range(f, 0, 4096, SYNC_FILE_RANGE_WRITE));
    SHOW(fsync(f));
    SHOW(fdatasync(f));
    SHOW(readahead(f, 0, 4096));
    off_t from = 0, to = 3;
    SHOW(copy_file_range(f, &from, g, &to, 8, 0));
    SAY("%ld %ld", (long)from, (long)to);
    SHOW(sendfile(g, f, &from, 5));
    SHOW(pread(g, text, 20, 0));
    for (int i = 0; i < 11; i++) printf("%02x", text[i]);
    putchar('\n');
    int p[2], q[2];
    pipe(p);
    pipe(q);
    from = 0;
    SHOW(splice(f, &from, p[1], NULL, 12, 0));
    SHOW(tee(p[0], q[1], 6, 0));
    SHOW(read(q[0], text, 20));
    SAY("%.6s", text);
    SHOW(splice(p[0], NULL, g, NULL, 12, SPLICE_F_MOVE));
    struct iovec w = {"gift", 4};
    SHOW(vmsplice(p[1], &w, 1, 0));
    SHOW(splice(f, NULL, g, NULL, 12, 0));
    SHOW(ioctl(p[0], FIONREAD, text) + *(int *)text);
    SHOW(truncate("copy", 3));
    SHOW(truncate("d", 3));
    int m = memfd_create("name", MFD_ALLOW_SEALING);
    SHOW(write(m, "abc", 3));
    SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE));
    SHOW(fcntl(m, F_GET_SEALS));
    SHOW(write(m, "abc", 3));
    SHOW(ftruncate(m, 1));
    struct stat s;
    SHOW(ioctl(f, FIONBIO, (int[]){0}));
    SHOW(ioctl(f, 0x12345678, 0));
    fstat(f, &s);
    int block = 0;
    OK(ioctl(f, FIGETBSZ, &block));
    SAY("block size agrees: %d", block == s.st_blksize);
}

static void attributes(void) {
    int f = open("data", O_RDWR);
    char text[100] = "";
    if (setxattr("data", "user.test", "value", 5, 0) < 0 && errno == EOPNOTSUPP) {
        SAY("no extended attributes here");
        return;
    }
    SHOW(setxattr("data", "user.test", "value", 5, XATTR_CREATE));
    SHOW(getxattr("data", "user.test", text, sizeof text));
    SHOW(fgetxattr(f, "user.test", text, 2));
    SHOW(getxattr("data", "user.other", text, sizeof text));
    SHOW(listxattr("data", text, sizeof text) > 0);
    SHOW(removexattr("data", "user.test"));
    SHOW(lgetxattr("data", "user.test", text, sizeof text));
}

static void watches(void) {
    int n = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    SHOW(inotify_add_watch(n, "d", IN_CREATE | IN_DELETE | IN_MOVED_FROM));
    SHOW(inotify_add_watch(n, "nothing", IN_CREATE));
    close(open("d/fresh", O_CREAT | O_WRONLY, 0600));
    unlink("d/fresh");
    char text[512];
    int got = read(n, text, sizeof text);
    for (int at = 0; at < got;) {
        struct inotify_event *e = (struct inotify_event *)(text + at);
        SAY("event wd=%d mask=%x len=%u %s", e->wd, e->mask, e->len, e->name);
        at += sizeof *e + e->len;
    }
    SHOW(read(n, text, sizeof text));
    SHOW(inotify_rm_watch(n, 1));
    SHOW(inotify_rm_watch(n, 1));
}

static void handles(void) {
    union { struct file_handle h; char space[200]; } u = {.h.handle_bytes = 128};
    int mount;
    int r = name_to_handle_at(AT_FDCWD, "data", &u.h, &mount, 0);
    SAY("handle: %s", r == 0 || errno == EOPNOTSUPP ? "as the file system says" : strerrorname_np(errno));
    u.h.handle_bytes = 0;
    r = name_to_handle_at(AT_FDCWD, "data", &u.h, &mount, 0);
    SAY("too small: %s", errno == EOVERFLOW || errno == EOPNOTSUPP ? "fine" : strerrorname_np(errno));
}

int main(void) {
    names();
    data();
    attributes();
    watches();
    handles();
    return 0;
}
