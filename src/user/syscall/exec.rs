//! execve and execveat.
