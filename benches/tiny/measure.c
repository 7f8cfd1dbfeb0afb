// measure RUNS COMMAND...: starts a program that says something, looks at its memory while it waits for the end of its input, and prints
// CPU time from start to end (user and system, all threads; least and median, ms) and memory (medians, KiB: peak, resident, proportional).
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 1000 };
static double cpu[MOST], peak[MOST], rss[MOST], pss[MOST];

static void die(const char *what) {
    perror(what);
    exit(1);
}

// A number of KiB out of a file of /proc.
static double field(int pid, const char *file, const char *name) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    FILE *f = fopen(path, "r");
    double v = 0;
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name))) v = atof(line + strlen(name));
    if (f) fclose(f);
    return v;
}

static void one(int i, char **command) {
    int in[2], out[2], status;
    char said[64];
    if (pipe2(in, 02000000) || pipe2(out, 02000000)) die("pipe");
    int pid = vfork();
    if (pid < 0) die("vfork");
    if (!pid) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execvp(command[0], command);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    if (read(out[0], said, sizeof said) <= 0) die("it says nothing");
    peak[i] = field(pid, "status", "VmHWM:");
    rss[i] = field(pid, "smaps_rollup", "Rss:");
    pss[i] = field(pid, "smaps_rollup", "Pss:");
    close(in[1]);
    struct rusage u;
    if (wait4(pid, &status, 0, &u) != pid || status) die("it ends badly");
    close(out[0]);
    cpu[i] = (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static int ascending(const void *a, const void *b) {
    double x = *(double *)a, y = *(double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    int n = argc > 2 ? atoi(argv[1]) : 0;
    if (n < 1 || n > MOST) return 2;
    for (int i = 0; i < n; i++) one(i, argv + 2);
    double *all[] = {cpu, peak, rss, pss};
    for (int i = 0; i < 4; i++) qsort(all[i], n, sizeof(double), ascending);
    printf("%6.2f %6.2f %8.0f %8.0f %8.0f\n", cpu[0], cpu[n / 2], peak[n / 2], rss[n / 2], pss[n / 2]);
    return 0;
}
