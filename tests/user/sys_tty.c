// Terminals: struct termios and winsize through ioctl, line editing by the kernel, job control queries.
#include "sys.h"
#include <termios.h>

int main(void) {
    int m = open("/dev/ptmx", O_RDWR | O_NOCTTY), unlock = 0, n = -1;
    if (m < 0) {
        SAY("no terminals here");
        return 0;
    }
    SHOW(ioctl(m, TIOCSPTLCK, &unlock));
    SHOW(ioctl(m, TIOCGPTN, &n));
    char name[32];
    snprintf(name, sizeof name, "/dev/pts/%d", n);
    int s = open(name, O_RDWR | O_NOCTTY);
    SAY("terminal %d %d", s >= 0, isatty(s));
    struct termios t;
    SHOW(tcgetattr(s, &t));
    SAY("i=%x o=%x c=%x l=%x intr=%d eof=%d vmin=%d speed=%d", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag, t.c_cc[VINTR], t.c_cc[VEOF], t.c_cc[VMIN], cfgetospeed(&t));
    t.c_lflag &= ~(ICANON | ECHO);
    t.c_cc[VMIN] = 1;
    cfsetspeed(&t, B115200);
    SHOW(tcsetattr(s, TCSANOW, &t));
    memset(&t, 0, sizeof t);
    SHOW(tcgetattr(s, &t));
    SAY("l=%x speed=%d", t.c_lflag, cfgetospeed(&t) == B115200);
    struct winsize w = {24, 80, 640, 480}, got = {0};
    SHOW(ioctl(s, TIOCSWINSZ, &w));
    SHOW(ioctl(m, TIOCGWINSZ, &got));
    SAY("%d %d %d %d", got.ws_row, got.ws_col, got.ws_xpixel, got.ws_ypixel);
    SHOW(write(m, "typed", 5));
    int waiting = 0;
    SHOW(poll(&(struct pollfd){s, POLLIN, 0}, 1, 1000));
    usleep(1000);
    SHOW(ioctl(s, FIONREAD, &waiting));
    SAY("waiting %d", waiting);
    char text[16] = "";
    SHOW(read(s, text, 16));
    SAY("%s", text);
    SHOW(ioctl(s, TIOCGPGRP, &n));
    SHOW(tcflush(s, TCIOFLUSH));
    SHOW(ioctl(s, TIOCEXCL));
    SHOW(ioctl(0, TIOCGPTN, &n) < 0);
    SHOW(syscall(SYS_ioctl, s, TCGETS, BAD));
    SHOW(ioctl(open("/dev/null", O_RDWR), TCGETS, &t));
    return 0;
}
