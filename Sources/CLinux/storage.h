/* Inode flags and O_ constants: ioctl numbers are macros with casts, which Swift drops. */
#pragma once
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <unistd.h>

/* From linux/fs.h, which cannot be included beside sys/mount.h in glibc 2.36 (both define `struct mount_attr`). */
#define CLINUX_FS_IMMUTABLE_FL 0x10
static inline int clinux_get_inode_flags(int fd, int *flags) { return ioctl(fd, _IOR('f', 1, long), flags); }
static inline int clinux_set_inode_flags(int fd, const int *flags) { return ioctl(fd, _IOW('f', 2, long), flags); }

/* glibc shows these only under _GNU_SOURCE, which the Glibc module is built without. */
static const int clinux_O_PATH = __O_PATH;
static const int clinux_O_TMPFILE = __O_TMPFILE;
static const int clinux_O_DIRECT = __O_DIRECT;

/* readlink(2) writes bytes, not characters. */
static inline ssize_t clinux_readlink(const char *path, void *bytes, size_t count) {
  return readlink(path, (char *)bytes, count);
}
