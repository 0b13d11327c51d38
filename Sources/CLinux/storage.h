/* Inode flags and O_ constants: ioctl numbers are macros with casts, which Swift drops. */
#pragma once
#include <fcntl.h>
#include <sys/ioctl.h>
#include <stdint.h>
#include <sys/statfs.h>
#include <unistd.h>

/* From linux/fs.h, which cannot be included beside sys/mount.h in glibc 2.36 (both define `struct mount_attr`). */
#define CLINUX_FS_IMMUTABLE_FL 0x10
#define CLINUX_FS_TOPDIR_FL 0x20000
static inline int clinux_get_inode_flags(int fd, int *flags) { return ioctl(fd, _IOR('f', 1, long), flags); }
static inline int clinux_set_inode_flags(int fd, const int *flags) { return ioctl(fd, _IOW('f', 2, long), flags); }

/* Linux 6.9: the kernel reads and writes a file of a FUSE mount itself. Debian 12's linux/fuse.h is 7.38 and has neither. */
struct clinux_fuse_backing { int32_t fd; uint32_t flags; uint64_t padding; };
static inline int clinux_fuse_backing_open(int device, int file) {
  struct clinux_fuse_backing map = { .fd = file };
  return ioctl(device, _IOW(229, 1, struct clinux_fuse_backing), &map);
}
static inline int clinux_fuse_backing_close(int device, uint32_t id) { return ioctl(device, _IOW(229, 2, uint32_t), &id); }

/* statvfs(3) leaves the type out. */
static inline int clinux_file_system_type(int fd, uint64_t *type) {
  struct statfs status;
  int result = fstatfs(fd, &status);
  if (result == 0) *type = (uint32_t)status.f_type;
  return result;
}

/* glibc shows these only under _GNU_SOURCE, which the Glibc module is built without. */
static const int clinux_O_PATH = __O_PATH;
static const int clinux_O_TMPFILE = __O_TMPFILE;
static const int clinux_O_DIRECT = __O_DIRECT;

/* readlink(2) writes bytes, not characters. */
static inline ssize_t clinux_readlink(const char *path, void *bytes, size_t count) {
  return readlink(path, (char *)bytes, count);
}
