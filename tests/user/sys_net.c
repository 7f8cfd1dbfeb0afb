// Sockets: messages with control data, options, addresses, several messages in one call, errors.
#include "sys.h"
#include <arpa/inet.h>
#include <linux/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

static void control(void) {
    int s[2];
    SHOW(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
    SHOW(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, (int[]){1}, 4));
    int f = touch("passed", "through");
    char space[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))] = {0};
    struct iovec v[2] = {{"hel", 3}, {"lo", 2}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(c), &f, sizeof f);
    struct ucred me = {getpid(), getuid(), getgid()}, got = {0};
    c = CMSG_NXTHDR(&m, c);
    *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof me), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS};
    memcpy(CMSG_DATA(c), &me, sizeof me);
    SHOW(sendmsg(s[0], &m, 0));
    char text[4], back[200];
    struct iovec in = {text, 4};
    m = (struct msghdr){.msg_iov = &in, .msg_iovlen = 1, .msg_control = back, .msg_controllen = sizeof back};
    SHOW(recvmsg(s[1], &m, MSG_CMSG_CLOEXEC));
    SAY("flags %x truncated %d", m.msg_flags & ~MSG_CMSG_CLOEXEC, !!(m.msg_flags & MSG_TRUNC));
    for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        SAY("control level=%d type=%d len=%zu", c->cmsg_level, c->cmsg_type, c->cmsg_len);
        if (c->cmsg_type == SCM_RIGHTS) {
            int fd;
            char content[8] = "";
            memcpy(&fd, CMSG_DATA(c), sizeof fd);
            pread(fd, content, 7, 0);
            SAY("descriptor reads %s, cloexec %d", content, fcntl(fd, F_GETFD));
        } else {
            memcpy(&got, CMSG_DATA(c), sizeof got);
            SAY("credentials %d", !memcmp(&got, &me, sizeof me));
        }
    }
    SHOW(syscall(SYS_sendmsg, s[0], BAD, 0));
    SHOW(syscall(SYS_recvmsg, s[1], BAD, MSG_DONTWAIT));
    SHOW(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &got, &(socklen_t){sizeof got}));
    SAY("peer %d", got.pid == getpid());
}

static void many(void) {
    int s[2];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
    char text[4][8] = {"one", "second", "x", ""};
    struct iovec v[4];
    struct mmsghdr m[4] = {0};
    for (int i = 0; i < 4; i++) {
        v[i] = (struct iovec){text[i], strlen(text[i])};
        m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
    }
    SHOW(sendmmsg(s[0], m, 4, 0));
    SAY("lengths %u %u %u %u", m[0].msg_len, m[1].msg_len, m[2].msg_len, m[3].msg_len);
    memset(text, 0, sizeof text);
    for (int i = 0; i < 4; i++) v[i] = (struct iovec){text[i], 8};
    struct timespec limit = {1, 0};
    SHOW(recvmmsg(s[1], m, 3, 0, &limit));
    SAY("%s %s %s %u", text[0], text[1], text[2], m[1].msg_len);
    SHOW(recvmmsg(s[1], m, 3, MSG_DONTWAIT, NULL));
    SHOW(recvmmsg(s[1], m, 3, MSG_DONTWAIT, NULL));
}

static void tcp(void) {
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, b;
    socklen_t n = sizeof a;
    SHOW(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one));
    SHOW(bind(l, (struct sockaddr *)&a, sizeof a));
    SHOW(listen(l, 5));
    SHOW(getsockname(l, (struct sockaddr *)&a, &n));
    SAY("family %d port %d length %u", a.sin_family, a.sin_port != 0, n);
    int c = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    SHOW(connect(c, (struct sockaddr *)&a, sizeof a));
    n = sizeof b;
    int s = accept4(l, (struct sockaddr *)&b, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    SAY("accepted %d flags %d %d", s >= 0, fcntl(s, F_GETFD), !!(fcntl(s, F_GETFL) & O_NONBLOCK));
    char text[20] = "";
    SHOW(recv(s, text, sizeof text, 0));
    SHOW(send(c, "data", 4, MSG_NOSIGNAL));
    SHOW(poll(&(struct pollfd){s, POLLIN, 0}, 1, 1000));
    SHOW(recv(s, text, sizeof text, MSG_PEEK));
    SHOW(recv(s, text, sizeof text, 0));
    struct linger lg = {1, 7}, lg2;
    SHOW(setsockopt(s, SOL_SOCKET, SO_LINGER, &lg, sizeof lg));
    n = sizeof lg2;
    SHOW(getsockopt(s, SOL_SOCKET, SO_LINGER, &lg2, &n));
    SAY("linger %d %d", lg2.l_onoff, lg2.l_linger);
    struct timeval tv = {1, 500000}, tv2;
    SHOW(setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    n = sizeof tv2;
    SHOW(getsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv2, &n));
    SAY("timeout %ld.%06ld length %u", (long)tv2.tv_sec, (long)tv2.tv_usec, n);
    SHOW(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
    int value = -1;
    n = sizeof value;
    SHOW(getsockopt(c, IPPROTO_TCP, TCP_NODELAY, &value, &n));
    SAY("nodelay %d", value);
    n = sizeof value;
    getsockopt(c, SOL_SOCKET, SO_TYPE, &value, &n);
    SAY("type %d", value);
    getsockopt(c, SOL_SOCKET, SO_PROTOCOL, &value, &n);
    SAY("protocol %d", value);
    getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &value, &n);
    SAY("listening %d", value);
    struct tcp_info info;
    n = sizeof info;
    SHOW(getsockopt(c, IPPROTO_TCP, TCP_INFO, &info, &n));
    SAY("state %d", info.tcpi_state);
    SHOW(shutdown(c, SHUT_WR));
    SHOW(poll(&(struct pollfd){s, POLLIN | POLLRDHUP, 0}, 1, 1000));
    SHOW(recv(s, text, sizeof text, 0));
    close(s);
    SHOW(connect(c, (struct sockaddr *)&a, sizeof a));
    close(l);
    c = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(connect(c, (struct sockaddr *)&a, sizeof a));
    SHOW(send(c, "x", 1, MSG_NOSIGNAL));
    SHOW(socket(AF_INET, 99, 0));
    SHOW(socket(999, SOCK_STREAM, 0));
    SHOW(getsockopt(c, SOL_SOCKET, 9999, &value, &n));
}

static void names(void) {
    int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un a = {AF_UNIX, "socket"}, b;
    socklen_t n = sizeof b;
    SHOW(connect(c, (struct sockaddr *)&a, sizeof a));
    SHOW(bind(s, (struct sockaddr *)&a, sizeof a));
    SHOW(bind(c, (struct sockaddr *)&a, sizeof a));
    SHOW(listen(s, 1));
    SHOW(connect(c, (struct sockaddr *)&a, sizeof a));
    SHOW(getpeername(c, (struct sockaddr *)&b, &n));
    SAY("name %s length %u", b.sun_path, n);
    n = sizeof b;
    SHOW(getsockname(c, (struct sockaddr *)&b, &n));
    SAY("unnamed length %u", n);
    struct stat st;
    SHOW(stat("socket", &st));
    SAY("is socket %d", S_ISSOCK(st.st_mode));
    SHOW(bind(socket(AF_UNIX, SOCK_STREAM, 0), BAD, sizeof a));
    SHOW(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, 1));
}

static void datagrams(void) {
    int s = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}, b;
    socklen_t n = sizeof a;
    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a) < 0) {
        SAY("no IPv6");
        return;
    }
    getsockname(s, (struct sockaddr *)&a, &n);
    SHOW(sendto(s, "datagram", 8, 0, (struct sockaddr *)&a, sizeof a));
    char text[20];
    n = sizeof b;
    SHOW(recvfrom(s, text, 3, MSG_TRUNC, (struct sockaddr *)&b, &n));
    SAY("from me %d length %u", b.sin6_port == a.sin6_port, n);
}

static void interfaces(void) {
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq r[32];
    struct ifconf c = {.ifc_len = sizeof r, .ifc_req = r};
    SHOW(ioctl(s, 0x8912 /* SIOCGIFCONF */, &c));
    SAY("whole records %d", c.ifc_len % sizeof r[0] == 0);
    strcpy(r[0].ifr_name, "lo");
    SHOW(ioctl(s, 0x8913 /* SIOCGIFFLAGS */, &r[0]));
    SAY("loopback %d", !!(r[0].ifr_flags & IFF_LOOPBACK));
    strcpy(r[0].ifr_name, "none9");
    SHOW(ioctl(s, 0x8913, &r[0]));
}

int main(void) {
    control();
    many();
    tcp();
    names();
    datagrams();
    interfaces();
    return 0;
}
