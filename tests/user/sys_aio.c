// Asynchronous I/O by the raw calls: the context, requests and events are shared memory and structures that must agree.
#include "sys.h"
#include <linux/aio_abi.h>

int main(void) {
    aio_context_t ctx = 0;
    SHOW(syscall(SYS_io_setup, 8, &ctx));
    SHOW(syscall(SYS_io_setup, 8, &ctx));
    int f = touch("file", "asynchronous"), e = eventfd(0, 0);
    char a[32] = "", b[32] = "";
    struct iocb r = {.aio_data = 0x1122334455667788, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = f, .aio_buf = (uintptr_t)a, .aio_nbytes = 5};
    struct iocb s = {.aio_data = 7, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = f, .aio_buf = (uintptr_t)b, .aio_nbytes = 20, .aio_offset = 5, .aio_flags = IOCB_FLAG_RESFD, .aio_resfd = e};
    struct iocb *list[] = {&r, &s};
    SHOW(syscall(SYS_io_submit, ctx, 2, list));
    struct io_event ev[4];
    struct timespec limit = {2, 0};
    SHOW(syscall(SYS_io_getevents, ctx, 2, 4, ev, &limit));
    for (int i = 0; i < 2; i++) SAY("%llx %lld %lld", ev[i].data, ev[i].res, ev[i].res2);
    SAY("%s %s", a, b);
    uint64_t count = 0;
    SHOW(read(e, &count, 8));
    r.aio_fildes = 999;
    SHOW(syscall(SYS_io_submit, ctx, 1, list));
    r.aio_fildes = f;
    r.aio_lio_opcode = 77;
    SHOW(syscall(SYS_io_submit, ctx, 1, list));
    SHOW(syscall(SYS_io_submit, ctx, 1, BAD));
    SHOW(syscall(SYS_io_getevents, ctx, 0, 4, ev, NULL));
    SHOW(syscall(SYS_io_cancel, ctx, &r, ev));
    SHOW(syscall(SYS_io_destroy, ctx));
    SHOW(syscall(SYS_io_destroy, ctx));
    return 0;
}
