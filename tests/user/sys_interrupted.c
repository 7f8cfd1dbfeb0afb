// A storm of signals whose handler does not ask for SA_RESTART: calls that cannot fail with EINTR never do, none is lost, none is
// done twice; calls that wait do fail with it.
#include "sys.h"
#include <signal.h>

static volatile unsigned hits;
static void on_alarm(int sig) { hits++; }

static void storm(long microseconds) {
    struct itimerval it = {{0, microseconds}, {0, microseconds}};
    setitimer(ITIMER_REAL, &it, NULL);
}

int main(void) {
    struct sigaction act = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &act, NULL);
    int f = touch("file", "0123456789abcdef"), bad = 0, wrong = 0, p[2];
    pid_t me = getpid();
    pipe(p);
    storm(200);
    unsigned rounds = 0;
    while (hits < 2000 && rounds < 3000000) {
        char text[8];
        int g;
        rounds++;
        wrong += syscall(SYS_getpid) != me;
        bad += kill(me, 0) != 0;
        wrong += pread(f, text, 8, 4) != 8 || memcmp(text, "456789ab", 8);
        wrong += lseek(f, rounds % 16, SEEK_SET) != rounds % 16;
        wrong += write(p[1], &rounds, sizeof rounds) != sizeof rounds;
        unsigned back = 0;
        wrong += read(p[0], &back, sizeof back) != sizeof back || back != rounds;
        if ((g = openat(AT_FDCWD, "file", O_RDONLY)) < 0 || close(g) < 0) bad++;
        struct stat s;
        bad += fstat(f, &s) != 0 || s.st_size != 16;
        bad += access("file", R_OK) != 0;
    }
    SAY("storm %d: errors %d wrong %d", hits >= 2000, bad, wrong);
    // children are made and waited for; only the wait may be interrupted
    int made = 0, ended = 0, interrupted = 0;
    for (int i = 0; i < 30; i++) {
        pid_t child = fork();
        if (child == 0) _exit(i);
        made += child > 0;
        int status, r;
        while ((r = waitpid(child, &status, 0)) < 0 && errno == EINTR) interrupted++;
        ended += r == child && WEXITSTATUS(status) == i;
    }
    SAY("children %d %d", made, ended);
    // a wait with nothing to wait for is always interrupted
    char c;
    storm(5000);
    SHOW(read(p[0], &c, 1));
    SHOW(nanosleep(&(struct timespec){5, 0}, NULL));
    SHOW(poll(NULL, 0, 5000));
    storm(0);
    return 0;
}
