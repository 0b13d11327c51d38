/* Landlock: no wrappers in glibc, and a header that is younger than some kernels' features, so that structures and numbers
   stand here. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

struct clinux_landlock_ruleset {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;
  uint64_t scoped;
};

struct clinux_landlock_path {
  uint64_t allowed_access;
  int32_t parent_fd;
} __attribute__((packed));

/* The version of the kernel's Landlock. */
static inline int clinux_landlock_version(void) {
  return (int)syscall(444 /* landlock_create_ruleset */, NULL, (size_t)0, 1u);
}
static inline int clinux_landlock_create(const struct clinux_landlock_ruleset *ruleset, size_t size) {
  return (int)syscall(444 /* landlock_create_ruleset */, ruleset, size, 0u);
}
static inline int clinux_landlock_add_path(int ruleset, const struct clinux_landlock_path *path) {
  return (int)syscall(445 /* landlock_add_rule */, ruleset, 1 /* LANDLOCK_RULE_PATH_BENEATH */, path, 0u);
}
static inline int clinux_landlock_restrict_self(int ruleset) {
  return (int)syscall(446 /* landlock_restrict_self */, ruleset, 0u);
}
