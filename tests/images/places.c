// Says where things are and which descriptors are open, as lines "what where". With an argument: again in a child, and as another program.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPAN (1 << 20)

static void say(const char *what, const void *where) { printf("%s %p\n", what, where); }

// As the C library does when a library wants more than a page's alignment.
static void *room(int fd) {
    char head[832];
    if (pread(fd, head, 4, 0) != 4 || lseek(fd, 0, SEEK_SET) || read(fd, head, sizeof head) != sizeof head) exit(9);
    return mmap(NULL, SPAN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void descriptors(void) {
    DIR *d = opendir("/proc/self/fd");
    printf("descriptors");
    for (struct dirent *e; (e = readdir(d));) printf(" %s", e->d_name);
    printf("\n");
    closedir(d);
}

int main(int argc, char **argv) {
    say("program", (void *)main);
    say("linker", (void *)getauxval(AT_BASE));
    say("library", (void *)puts);
    int fd = open(argv[0], O_RDONLY);
    if (fd < 0) return 8;
    say("room", room(fd));
    say("memory", mmap(NULL, SPAN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    lseek(fd, 0, SEEK_SET);
    say("code", mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
    close(fd);
    say("stack", &fd);
    descriptors();
    fflush(stdout);
    if (argc < 2) return 0;
    pid_t pid = fork();
    if (!pid) {
        say("program", (void *)main);
        fflush(stdout);
        execl(argv[0], argv[0], (char *)0);
        _exit(7);
    }
    int st = -1;
    waitpid(pid, &st, 0);
    return st != 0;
}
