/* libfuse3's low-level API and the kernel's FUSE wire format.

   Interface version 3.12 is the oldest that has fuse_session_custom_io. Each definition below says why it exists. */
#pragma once
/* libc's types stay with Swift's module of libc, whichever C module a target reads first; CLinux says why. */
#if __has_feature(modules)
#pragma clang module import SwiftGlibc
#endif
#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>
#include <linux/fuse.h>
#include <stdarg.h>
#include <stdio.h>

/* Linux 6.9 (protocol 7.40): asks the kernel to queue again what was read and not answered. Debian 12's linux/fuse.h is
   7.38 and has neither of the two; an enumerator of a newer header would clash with the kernel's name, hence the prefix. */
#define CFUSE_NOTIFY_RESEND 7
#define CFUSE_UNIQUE_RESEND (1ULL << 63)

/* FATTR_* and FUSE_*_KILL_SUIDGID are bits of words that libfuse 3.14 hides from the operations: it masks the SETATTR word
   before the call and does not hand on the other two. Plain constants, because Swift does not import shifted macros of
   every header version alike. */
static const uint32_t cfuse_setattr_kill_suidgid = 1u << 11;
static const uint32_t cfuse_write_kill_suidgid = 1u << 2;

/* FUSE_NOTIFY_INVAL_INODE as one message: libfuse's function needs its session, which an operation does not know. A
   negative offset says that only attributes are stale. */
struct cfuse_attributes_notice {
  struct fuse_out_header header;
  struct fuse_notify_inval_inode_out body;
};
static inline struct cfuse_attributes_notice cfuse_attributes_notice(uint64_t node) {
  struct cfuse_attributes_notice notice = {
    .header = { .len = sizeof notice, .error = FUSE_NOTIFY_INVAL_INODE },
    .body = { .ino = node, .off = -1 },
  };
  return notice;
}

/* Linux 6.9 (7.40): the answer to FUSE_OPEN that has the kernel read and write a registered file itself. In 7.38 the last
   word of fuse_open_out is padding. Of the other flags only few may stand beside FOPEN_PASSTHROUGH (1 << 7). FOPEN_NOFLUSH
   (1 << 5): close(2) asks nobody, as there is nothing here that it could report. */
#define CFUSE_FOPEN_PASSTHROUGH (1u << 7 | 1u << 5)
struct cfuse_open_passthrough {
  uint64_t fh;
  uint32_t open_flags;
  int32_t backing_id;
};
static inline struct cfuse_open_passthrough cfuse_open_passthrough(uint64_t handle, int32_t backing) {
  struct cfuse_open_passthrough body = { .fh = handle, .open_flags = CFUSE_FOPEN_PASSTHROUGH, .backing_id = backing };
  return body;
}
/* FOPEN_DIRECT_IO (1 << 0) goes before it: the kernel asks for reads and writes, and for close(2). */
static inline struct cfuse_open_passthrough cfuse_open_beside_passthrough(uint64_t handle, int32_t backing) {
  struct cfuse_open_passthrough body = { .fh = handle, .open_flags = 1u << 7 | 1u << 0, .backing_id = backing };
  return body;
}
struct cfuse_create_passthrough {
  struct fuse_entry_out entry;
  struct cfuse_open_passthrough open;
};

/* fuse_log's function takes a va_list, which Swift can receive but not format without Foundation. */
static inline int cfuse_format(char *buffer, size_t size, const char *format, va_list arguments) {
  return vsnprintf(buffer, size, format, arguments);
}
