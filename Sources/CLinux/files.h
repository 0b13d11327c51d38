/* File system calls that the Glibc module lacks: it is built without _GNU_SOURCE, and Swift cannot call variadic
   functions such as syscall(2). */
#pragma once
#include <fcntl.h>
#include <linux/stat.h>
#include <stdint.h>
#include <stdio.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

static const int clinux_AT_EMPTY_PATH = 0x1000;
static const int clinux_SEEK_DATA = 3;
static const int clinux_SEEK_HOLE = 4;

/* struct file_handle with room for the longest handle; the bytes are words, so that Swift gets no 128-element tuple. */
struct clinux_handle {
  uint32_t byte_count;
  int32_t type;
  uint64_t words[16];
};

static inline int clinux_name_to_handle_at(int dir, const char *name, struct clinux_handle *handle, int *mount, int flags) {
  return (int)syscall(SYS_name_to_handle_at, dir, name, handle, mount, flags);
}
static inline int clinux_open_by_handle_at(int mount, struct clinux_handle *handle, int flags) {
  return (int)syscall(SYS_open_by_handle_at, mount, handle, flags);
}

/* What tells a file from another that gets its inode number later: statx(2), which glibc declares under _GNU_SOURCE only.
   The time of birth is 0 where the file system keeps none. */
struct clinux_birth {
  uint64_t device, inode;
  int64_t nanoseconds;
};
static inline int clinux_birth(int dir, const char *name, struct clinux_birth *birth) {
  struct statx status;
  int flags = AT_SYMLINK_NOFOLLOW | 0x1000 /* AT_EMPTY_PATH */;
  if (syscall(SYS_statx, dir, name, flags, STATX_INO | STATX_BTIME, &status)) return -1;
  birth->device = (uint64_t)status.stx_dev_major << 32 | status.stx_dev_minor;
  birth->inode = status.stx_ino;
  birth->nanoseconds = 0;
  if (status.stx_mask & STATX_BTIME)
    birth->nanoseconds = status.stx_btime.tv_sec * 1000000000LL + status.stx_btime.tv_nsec;
  return 0;
}

/* struct open_how of linux/openat2.h. */
struct clinux_open_how {
  uint64_t flags, mode, resolve;
};
static inline int clinux_openat2(int dir, const char *path, const struct clinux_open_how *how) {
  return (int)syscall(SYS_openat2, dir, path, how, sizeof *how);
}
static inline int clinux_openat(int dir, const char *path, int flags, mode_t mode) {
  return openat(dir, path, flags, mode);
}
static inline int clinux_renameat2(int from, const char *name, int to, const char *new_name, unsigned flags) {
  return (int)syscall(SYS_renameat2, from, name, to, new_name, flags);
}
static inline long clinux_getdents64(int fd, void *buffer, size_t size) {
  return syscall(SYS_getdents64, fd, buffer, size);
}
/* One buffer, with RWF_ flags: the kernel takes the offset in two halves and ignores the second on 64-bit machines. */
static inline ssize_t clinux_preadv2(int fd, void *buffer, size_t size, int64_t offset, int flags) {
  struct iovec vector = {buffer, size};
  return syscall(SYS_preadv2, fd, &vector, 1, offset, 0L, flags);
}
static inline ssize_t clinux_pwritev2(int fd, const void *buffer, size_t size, int64_t offset, int flags) {
  struct iovec vector = {(void *)buffer, size};
  return syscall(SYS_pwritev2, fd, &vector, 1, offset, 0L, flags);
}
static inline int clinux_fallocate(int fd, int mode, int64_t offset, int64_t size) {
  return (int)syscall(SYS_fallocate, fd, mode, offset, size);
}
static inline ssize_t clinux_copy_file_range(int in, int64_t *in_offset, int out, int64_t *out_offset, size_t size) {
  return syscall(SYS_copy_file_range, in, in_offset, out, out_offset, size, 0);
}

/* An O_PATH descriptor refuses chmod, truncate and xattr calls; the same file by its name in /proc does not. */
struct clinux_proc_path {
  char text[32];
};
static inline struct clinux_proc_path clinux_proc_path_of(int fd) {
  struct clinux_proc_path path;
  snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd);
  return path;
}
static inline int clinux_openfd(int fd, int flags) { return open(clinux_proc_path_of(fd).text, flags); }
static inline int clinux_chmodfd(int fd, mode_t mode) { return chmod(clinux_proc_path_of(fd).text, mode); }
static inline int clinux_truncatefd(int fd, int64_t size) { return truncate(clinux_proc_path_of(fd).text, size); }
static inline int clinux_linkfd(int fd, int dir, const char *name) {
  return linkat(AT_FDCWD, clinux_proc_path_of(fd).text, dir, name, AT_SYMLINK_FOLLOW);
}
/* readlink(2) writes bytes, not characters. */
static inline ssize_t clinux_readlinkfd(int fd, void *bytes, size_t size) {
  return readlinkat(fd, "", (char *)bytes, size);
}
static inline ssize_t clinux_getxattrfd(int fd, const char *name, void *value, size_t size) {
  return getxattr(clinux_proc_path_of(fd).text, name, value, size);
}
static inline ssize_t clinux_listxattrfd(int fd, char *names, size_t size) {
  return listxattr(clinux_proc_path_of(fd).text, names, size);
}
static inline int clinux_setxattrfd(int fd, const char *name, const void *value, size_t size, int flags) {
  return setxattr(clinux_proc_path_of(fd).text, name, value, size, flags);
}
static inline int clinux_removexattrfd(int fd, const char *name) {
  return removexattr(clinux_proc_path_of(fd).text, name);
}

/* glibc's set*id functions change all threads; the bare calls change the calling one. */
static inline uint32_t clinux_thread_setfsuid(uint32_t uid) { return (uint32_t)syscall(SYS_setfsuid, uid); }
static inline uint32_t clinux_thread_setfsgid(uint32_t gid) { return (uint32_t)syscall(SYS_setfsgid, gid); }
static inline int clinux_thread_setgroups(size_t count, const uint32_t *groups) {
  return (int)syscall(SYS_setgroups, count, groups);
}
static inline int clinux_thread_getgroups(int count, uint32_t *groups) {
  return (int)syscall(SYS_getgroups, count, groups);
}
/* The umask belongs to the process unless the thread has its own copy of the file system context: it gets one first.
   After that nobody else changes it, so that an unchanged mask costs no call. */
static inline int clinux_thread_umask(mode_t mask) {
  static __thread int current = -1;
  if (current == (int)mask) return 0;
  if (current < 0 && syscall(SYS_unshare, 0x200 /* CLONE_FS */)) return -1;
  umask(mask);
  current = (int)mask;
  return 0;
}
