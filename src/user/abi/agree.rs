//! Structures that arm64 and x86-64 lay out alike: the licence to hand a guest's pointer to the host kernel as it is.
//!
//! Each row: header, structure, the fields to compare. The test compiles the list with both C compilers against the real kernel
//! headers and compares size and every offset. A pass-through row of the system-call table whose argument points to a structure
//! must find that structure here.
//!
//! Must not know: the system calls. Invariant: nothing listed here has a conversion anywhere.

/// One structure: header, C name, fields.
pub type Agreement = (&'static str, &'static str, &'static [&'static str]);

/// Every structure that passes unconverted.
#[rustfmt::skip]
pub const AGREEING: &[Agreement] = &[
    // files and file systems
    ("asm/statfs.h", "struct statfs", &["f_type", "f_bsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_fsid", "f_namelen", "f_frsize", "f_flags", "f_spare"]),
    ("linux/stat.h", "struct statx", &["stx_mask", "stx_blksize", "stx_attributes", "stx_nlink", "stx_uid", "stx_mode", "stx_ino", "stx_size", "stx_blocks", "stx_attributes_mask", "stx_atime", "stx_btime", "stx_ctime", "stx_mtime", "stx_rdev_major", "stx_dev_major", "stx_mnt_id"]),
    ("asm/fcntl.h", "struct flock", &["l_type", "l_whence", "l_start", "l_len", "l_pid"]),
    ("asm/fcntl.h", "struct f_owner_ex", &["type", "pid"]),
    ("linux/openat2.h", "struct open_how", &["flags", "mode", "resolve"]),
    ("linux/fs.h", "struct file_clone_range", &["src_fd", "src_offset", "src_length", "dest_offset"]),
    ("linux/fs.h", "struct file_dedupe_range", &["src_offset", "src_length", "dest_count", "info"]),
    ("linux/fs.h", "struct fsxattr", &["fsx_xflags", "fsx_extsize", "fsx_nextents", "fsx_projid", "fsx_cowextsize"]),
    ("linux/fs.h", "struct fstrim_range", &["start", "len", "minlen"]),
    ("linux/fiemap.h", "struct fiemap", &["fm_start", "fm_length", "fm_flags", "fm_mapped_extents", "fm_extent_count", "fm_extents"]),
    ("linux/mount.h", "struct mount_attr", &["attr_set", "attr_clr", "propagation", "userns_fd"]),
    ("linux/quota.h", "struct if_dqblk", &["dqb_bhardlimit", "dqb_curspace", "dqb_btime", "dqb_valid"]),
    ("linux/inotify.h", "struct inotify_event", &["wd", "mask", "cookie", "len", "name"]),
    ("linux/fanotify.h", "struct fanotify_event_metadata", &["event_len", "vers", "metadata_len", "mask", "fd", "pid"]),
    ("linux/signalfd.h", "struct signalfd_siginfo", &["ssi_signo", "ssi_errno", "ssi_code", "ssi_pid", "ssi_fd", "ssi_ptr", "ssi_utime", "ssi_addr"]),
    ("linux/uio.h", "struct iovec", &["iov_base", "iov_len"]),
    ("linux/aio_abi.h", "struct iocb", &["aio_data", "aio_key", "aio_rw_flags", "aio_lio_opcode", "aio_fildes", "aio_buf", "aio_nbytes", "aio_offset", "aio_flags", "aio_resfd"]),
    ("linux/aio_abi.h", "struct io_event", &["data", "obj", "res", "res2"]),
    ("linux/io_uring.h", "struct io_uring_params", &["sq_entries", "cq_entries", "flags", "sq_thread_cpu", "features", "wq_fd", "sq_off", "cq_off"]),
    ("linux/io_uring.h", "struct io_uring_sqe", &["opcode", "flags", "fd", "off", "addr", "len", "user_data", "buf_index", "personality", "file_index"]),
    ("linux/io_uring.h", "struct io_uring_cqe", &["user_data", "res", "flags"]),
    // time
    ("linux/time.h", "struct timespec", &["tv_sec", "tv_nsec"]),
    ("linux/time.h", "struct timeval", &["tv_sec", "tv_usec"]),
    ("linux/time.h", "struct itimerspec", &["it_interval", "it_value"]),
    ("linux/time.h", "struct itimerval", &["it_interval", "it_value"]),
    ("linux/time.h", "struct timezone", &["tz_minuteswest", "tz_dsttime"]),
    ("linux/timex.h", "struct timex", &["modes", "offset", "freq", "maxerror", "status", "time", "tick", "ppsfreq", "jitter", "shift", "stabil", "stbcnt", "tai"]),
    ("linux/times.h", "struct tms", &["tms_utime", "tms_stime", "tms_cutime", "tms_cstime"]),
    // processes, scheduling, resources
    ("linux/resource.h", "struct rusage", &["ru_utime", "ru_stime", "ru_maxrss", "ru_nivcsw"]),
    ("linux/resource.h", "struct rlimit", &["rlim_cur", "rlim_max"]),
    ("linux/resource.h", "struct rlimit64", &["rlim_cur", "rlim_max"]),
    ("linux/sysinfo.h", "struct sysinfo", &["uptime", "loads", "totalram", "bufferram", "totalswap", "procs", "totalhigh", "mem_unit", "_f"]),
    ("linux/utsname.h", "struct new_utsname", &["sysname", "nodename", "release", "version", "machine", "domainname"]),
    ("linux/sched/types.h", "struct sched_attr", &["size", "sched_policy", "sched_flags", "sched_nice", "sched_priority", "sched_runtime", "sched_deadline", "sched_period", "sched_util_min", "sched_util_max"]),
    ("linux/capability.h", "struct __user_cap_header_struct", &["version", "pid"]),
    ("linux/capability.h", "struct __user_cap_data_struct", &["effective", "permitted", "inheritable"]),
    ("linux/kcmp.h", "struct kcmp_epoll_slot", &["efd", "tfd", "toff"]),
    ("linux/futex.h", "struct robust_list_head", &["list", "futex_offset", "list_op_pending"]),
    ("linux/futex.h", "struct futex_waitv", &["val", "uaddr", "flags", "__reserved"]),
    ("asm/siginfo.h", "struct siginfo", &["si_signo", "si_errno", "si_code", "si_pid", "si_uid", "si_value", "si_addr", "si_status", "si_utime", "si_band", "si_fd", "si_tid", "si_overrun"]),
    ("asm/siginfo.h", "struct sigevent", &["sigev_value", "sigev_signo", "sigev_notify", "_sigev_un"]),
    ("linux/landlock.h", "struct landlock_path_beneath_attr", &["allowed_access", "parent_fd"]),
    ("linux/bpf.h", "union bpf_attr", &["map_type", "insns", "license", "pathname"]),
    ("linux/perf_event.h", "struct perf_event_attr", &["type", "size", "config", "sample_type", "bp_type", "branch_sample_type", "sample_regs_user", "clockid", "sig_data"]),
    // polling
    ("asm/poll.h", "struct pollfd", &["fd", "events", "revents"]),
    ("linux/posix_types.h", "__kernel_fd_set", &["fds_bits"]),
    // ipc
    ("asm/ipcbuf.h", "struct ipc64_perm", &["key", "uid", "gid", "cuid", "cgid", "mode", "seq"]),
    ("asm/msgbuf.h", "struct msqid64_ds", &["msg_perm", "msg_stime", "msg_rtime", "msg_ctime", "msg_cbytes", "msg_qnum", "msg_qbytes", "msg_lspid", "msg_lrpid"]),
    ("asm/shmbuf.h", "struct shmid64_ds", &["shm_perm", "shm_segsz", "shm_atime", "shm_dtime", "shm_ctime", "shm_cpid", "shm_lpid", "shm_nattch"]),
    ("asm/shmbuf.h", "struct shminfo64", &["shmmax", "shmmin", "shmmni", "shmseg", "shmall"]),
    ("linux/sem.h", "struct sembuf", &["sem_num", "sem_op", "sem_flg"]),
    ("linux/sem.h", "struct seminfo", &["semmap", "semmni", "semaem"]),
    ("linux/msg.h", "struct msginfo", &["msgpool", "msgmax", "msgseg"]),
    ("linux/msg.h", "struct msgbuf", &["mtype", "mtext"]),
    ("linux/mqueue.h", "struct mq_attr", &["mq_flags", "mq_maxmsg", "mq_msgsize", "mq_curmsgs"]),
    // sockets (the message header is the kernel's `struct user_msghdr`, which libc repeats)
    ("sys/socket.h", "struct msghdr", &["msg_name", "msg_namelen", "msg_iov", "msg_iovlen", "msg_control", "msg_controllen", "msg_flags"]),
    ("sys/socket.h", "struct cmsghdr", &["cmsg_len", "cmsg_level", "cmsg_type"]),
    ("sys/socket.h", "struct sockaddr_storage", &["ss_family"]),
    ("sys/socket.h", "struct ucred", &["pid", "uid", "gid"]),
    ("sys/socket.h", "struct linger", &["l_onoff", "l_linger"]),
    ("linux/un.h", "struct sockaddr_un", &["sun_family", "sun_path"]),
    ("linux/in.h", "struct sockaddr_in", &["sin_family", "sin_port", "sin_addr"]),
    ("linux/in6.h", "struct sockaddr_in6", &["sin6_family", "sin6_port", "sin6_flowinfo", "sin6_addr", "sin6_scope_id"]),
    ("linux/netlink.h", "struct nlmsghdr", &["nlmsg_len", "nlmsg_type", "nlmsg_flags", "nlmsg_seq", "nlmsg_pid"]),
    ("linux/tcp.h", "struct tcp_info", &["tcpi_state", "tcpi_rto", "tcpi_pacing_rate", "tcpi_delivered"]),
    ("linux/if.h", "struct ifreq", &["ifr_ifrn", "ifr_ifru"]),
    ("linux/if.h", "struct ifconf", &["ifc_len", "ifc_ifcu"]),
    ("linux/if_packet.h", "struct sockaddr_ll", &["sll_family", "sll_protocol", "sll_ifindex", "sll_addr"]),
    ("linux/filter.h", "struct sock_fprog", &["len", "filter"]),
    // terminals and devices
    ("asm/termbits.h", "struct termios", &["c_iflag", "c_oflag", "c_cflag", "c_lflag", "c_line", "c_cc"]),
    ("asm/termbits.h", "struct termios2", &["c_iflag", "c_oflag", "c_cflag", "c_lflag", "c_line", "c_cc", "c_ispeed", "c_ospeed"]),
    ("asm/termios.h", "struct winsize", &["ws_row", "ws_col", "ws_xpixel", "ws_ypixel"]),
    ("linux/hdreg.h", "struct hd_geometry", &["heads", "sectors", "cylinders", "start"]),
    ("linux/loop.h", "struct loop_info64", &["lo_device", "lo_offset", "lo_flags", "lo_file_name", "lo_init"]),
    ("linux/rtc.h", "struct rtc_time", &["tm_sec", "tm_year", "tm_isdst"]),
    ("linux/input.h", "struct input_event", &["type", "code", "value"]),
    ("linux/random.h", "struct rand_pool_info", &["entropy_count", "buf_size", "buf"]),
    ("linux/userfaultfd.h", "struct uffd_msg", &["event", "arg"]),
    ("linux/userfaultfd.h", "struct uffdio_copy", &["dst", "src", "len", "mode", "copy"]),
];
