/* mount(2) and its newer relatives. glibc has open_tree and move_mount from 2.36 only, so they are made by number here;
   the MS_ constants are enumerators of an unnamed enum, which arrive in Swift with a type of their own. */
#pragma once
#include <fcntl.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static const unsigned long clinux_MS_RDONLY = MS_RDONLY;
static const unsigned long clinux_MS_NOSUID = MS_NOSUID;
static const unsigned long clinux_MS_NODEV = MS_NODEV;
static const unsigned long clinux_MS_NOEXEC = MS_NOEXEC;
static const unsigned long clinux_MS_SYNCHRONOUS = MS_SYNCHRONOUS;
static const unsigned long clinux_MS_REMOUNT = MS_REMOUNT;
static const unsigned long clinux_MS_NOATIME = MS_NOATIME;
static const unsigned long clinux_MS_NODIRATIME = MS_NODIRATIME;
static const unsigned long clinux_MS_BIND = MS_BIND;
static const unsigned long clinux_MS_MOVE = MS_MOVE;
static const unsigned long clinux_MS_REC = MS_REC;
static const unsigned long clinux_MS_PRIVATE = MS_PRIVATE;
static const unsigned long clinux_MS_SLAVE = MS_SLAVE;
static const unsigned long clinux_MS_SHARED = MS_SHARED;
static const unsigned long clinux_MS_RELATIME = MS_RELATIME;
static const int clinux_MNT_FORCE = MNT_FORCE;
static const int clinux_MNT_DETACH = MNT_DETACH;
static const int clinux_UMOUNT_NOFOLLOW = UMOUNT_NOFOLLOW;

#define CLINUX_OPEN_TREE_CLONE 1u
static const unsigned CLINUX_OPEN_TREE_CLOEXEC = O_CLOEXEC;
#define CLINUX_AT_RECURSIVE 0x8000u
#define CLINUX_MOVE_MOUNT_F_EMPTY_PATH 0x00000004u
#define CLINUX_MOVE_MOUNT_T_EMPTY_PATH 0x00000040u

static inline int clinux_open_tree(int directory, const char *path, unsigned flags) {
  return (int)syscall(428 /* __NR_open_tree, the same on every architecture */, directory, path, flags);
}
static inline int clinux_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags) {
  return (int)syscall(429 /* __NR_move_mount */, from, from_path, to, to_path, flags);
}

#define CLINUX_AT_EMPTY_PATH 0x1000u
#define CLINUX_MOUNT_ATTR_RDONLY 0x1u
#define CLINUX_MOUNT_ATTR_NOSUID 0x2u
#define CLINUX_MOUNT_ATTR_NODEV 0x4u
#define CLINUX_MOUNT_ATTR_NOEXEC 0x8u
/* mount_setattr(2) sets flags of a detached tree before anybody can see it; glibc has it from 2.36. Propagation is one of
   MS_PRIVATE, MS_SHARED and MS_SLAVE, or 0, which leaves it. */
static inline int clinux_mount_setattr(int tree, unsigned flags, uint64_t set, uint64_t propagation) {
  struct {
    uint64_t attr_set, attr_clr, propagation, userns_fd;
  } attributes = {set, 0, propagation, 0};
  return (int)syscall(442 /* __NR_mount_setattr */, tree, "", CLINUX_AT_EMPTY_PATH | flags, &attributes,
                      sizeof attributes);
}
