//! System V and POSIX IPC, asynchronous I/O.
