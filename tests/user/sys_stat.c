// struct stat, statx, statfs: every field that is stable, through every call that gives it; bad pointers.
#include "sys.h"
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

static void show(const char *what, const struct stat *s) {
    printf("%s: mode=%o nlink=%lu uid=%u gid=%u rdev=%u:%u size=%ld blksize=%ld blocks=%ld atime=%ld.%09ld mtime=%ld.%09ld ctime%s\n", what, s->st_mode,
           (unsigned long)s->st_nlink, s->st_uid, s->st_gid, major(s->st_rdev), minor(s->st_rdev), (long)s->st_size, (long)s->st_blksize,
           (long)s->st_blocks, (long)s->st_atim.tv_sec, s->st_atim.tv_nsec, (long)s->st_mtim.tv_sec, s->st_mtim.tv_nsec,
           s->st_ctim.tv_sec > 1600000000 && s->st_ctim.tv_nsec < 1000000000 ? " sane" : " WRONG");
}

int main(void) {
    int fd = touch("file", "hello, world\n");
    struct timespec when[2] = {{1234567890, 123456789}, {987654321, 987654321}};
    SHOW(utimensat(AT_FDCWD, "file", when, 0));
    SHOW(link("file", "second"));
    SHOW(link("file", "third"));
    SHOW(symlink("file", "sym"));
    SHOW(chmod("file", 04751));
    struct stat a, b, c;
    SHOW(stat("file", &a));
    show("stat", &a);
    SHOW(fstat(fd, &b));
    show("fstat", &b);
    SHOW(fstatat(fd, "", &c, AT_EMPTY_PATH));
    show("fstatat empty", &c);
    SAY("same file: %d %d", a.st_dev == b.st_dev && a.st_ino == b.st_ino, !memcmp(&b, &c, sizeof b));
    SHOW(lstat("sym", &c));
    SAY("lstat: link=%d size=%ld", S_ISLNK(c.st_mode), (long)c.st_size);
    SHOW(stat("sym", &c));
    SAY("followed: %d", c.st_ino == a.st_ino);
    SHOW(fstatat(AT_FDCWD, "sym", &c, AT_SYMLINK_NOFOLLOW));
    SAY("nofollow: link=%d", S_ISLNK(c.st_mode));
    SHOW(stat("/dev/null", &c));
    SAY("null: chr=%d %u:%u", S_ISCHR(c.st_mode), major(c.st_rdev), minor(c.st_rdev));
    SHOW(stat("nothing", &c));
    SHOW(stat("file/below", &c));
    SHOW(stat("", &c));
    SHOW(fstat(-1, &c));
    SHOW(fstat(999, &c));
    // the raw calls see bad pointers
    SHOW(syscall(SYS_newfstatat, AT_FDCWD, "file", BAD, 0));
    SHOW(syscall(SYS_newfstatat, AT_FDCWD, BAD, &c, 0));
    SHOW(syscall(SYS_newfstatat, AT_FDCWD, "file", &c, 0x40000000));
    SHOW(syscall(SYS_fstat, fd, BAD));

    struct statx x;
    SHOW(statx(AT_FDCWD, "file", 0, STATX_ALL, &x));
    SAY("statx: mode=%o nlink=%u size=%llu blocks=%llu mtime=%lld.%09u same=%d", x.stx_mode, x.stx_nlink, x.stx_size, x.stx_blocks,
        x.stx_mtime.tv_sec, x.stx_mtime.tv_nsec, x.stx_ino == a.st_ino && makedev(x.stx_dev_major, x.stx_dev_minor) == a.st_dev);
    SHOW(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x));
    SHOW(statx(AT_FDCWD, "file", 0, STATX_ALL, BAD));

    struct statfs f, g;
    SHOW(statfs(".", &f));
    SHOW(fstatfs(fd, &g));
    SAY("statfs: type=%lx bsize=%ld namelen=%ld frsize=%ld same=%d", (long)f.f_type, (long)f.f_bsize, (long)f.f_namelen, (long)f.f_frsize,
        f.f_blocks == g.f_blocks && f.f_type == g.f_type && f.f_fsid.__val[0] == g.f_fsid.__val[0]);
    SHOW(statfs("/proc", &f));
    SAY("proc: %lx", (long)f.f_type);
    SHOW(statfs("nothing", &f));
    SHOW(fstatfs(fd, BAD));
    SHOW(access("file", R_OK));
    SHOW(faccessat(AT_FDCWD, "sym", F_OK, AT_SYMLINK_NOFOLLOW));
    SHOW(faccessat(AT_FDCWD, "nothing", F_OK, 0));
    return 0;
}
