/* pidfds, prctl and capabilities: variadic, or newer than the oldest glibc that we build on (2.35), or without a
   wrapper in glibc at all. */
#pragma once
#include <linux/capability.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLINUX_P_ALL 0
#define CLINUX_P_PIDFD 3

static inline int clinux_pidfd_open(int pid, unsigned flags) {
  return (int)syscall(434 /* __NR_pidfd_open */, pid, flags);
}
static inline int clinux_pidfd_send_signal(int pidfd, int signal) {
  return (int)syscall(424 /* __NR_pidfd_send_signal */, pidfd, signal, NULL, 0u);
}
/* waitid(P_PIDFD): `siginfo_t` keeps its fields in unions that Swift cannot name. */
struct clinux_exit {
  int pid;
  int code;
  int status;
};
static inline int clinux_waitid(int kind, int id, int options, struct clinux_exit *out) {
  siginfo_t info;
  info.si_pid = 0;
  info.si_code = 0;
  info.si_status = 0;
  int result = waitid((idtype_t)kind, (id_t)id, &info, options);
  out->pid = info.si_pid;
  out->code = info.si_code;
  out->status = info.si_status;
  return result;
}
/* prctl(2) is variadic. */
static inline int clinux_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
  return prctl(option, a, b, c, d);
}
static inline int clinux_prctl_set_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }

/* capget and capset have no wrapper in glibc. Both work on the calling thread. */
static inline int clinux_capget(struct __user_cap_data_struct data[2]) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  return (int)syscall(SYS_capget, &header, data);
}
static inline int clinux_capset(const struct __user_cap_data_struct data[2]) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  return (int)syscall(SYS_capset, &header, data);
}

/* glibc declares setresuid(2) and its kin only under _GNU_SOURCE, which the Glibc module is built without. Its own change all
   threads of the process, as POSIX has it. */
int setresuid(uid_t, uid_t, uid_t);
int setresgid(gid_t, gid_t, gid_t);
int setgroups(size_t, const gid_t *);
static inline int clinux_setresuid(uid_t id) { return setresuid(id, id, id); }
static inline int clinux_setresgid(gid_t id) { return setresgid(id, id, id); }
static inline int clinux_drop_groups(void) { return setgroups(0, NULL); }
static inline int clinux_keep_group(gid_t id) { return setgroups(1, &id); }

/* glibc declares unshare(2) only under _GNU_SOURCE, which the Glibc module is built without. */
static inline int clinux_unshare_mounts(void) { return (int)syscall(SYS_unshare, 0x00020000 /* CLONE_NEWNS */); }

/* environ(7), which glibc declares only under _GNU_SOURCE. */
extern char **environ;
static inline char **clinux_environment(void) { return environ; }

static inline int clinux_gettid(void) { return (int)syscall(SYS_gettid); }

/* memfd_create is not in a header of the Glibc module map. */
#include <sys/mman.h>
static inline int clinux_memfd_create(const char *name, unsigned flags) {
  return (int)syscall(SYS_memfd_create, name, flags);
}
#define CLINUX_MFD_CLOEXEC 1u
#define CLINUX_MFD_ALLOW_SEALING 2u
#define CLINUX_F_ADD_SEALS 1033
#define CLINUX_F_GET_SEALS 1034

/* glibc declares these (2.29, 2.34) only under _GNU_SOURCE. */
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
#define CLINUX_POSIX_SPAWN_SETSID 0x80

/* A condition whose timed waits follow CLOCK_MONOTONIC; `pthread_condattr_t` has the trouble named below. */
static inline int clinux_cond_init_monotonic(pthread_cond_t *condition) {
  pthread_condattr_t attributes;
  int result = pthread_condattr_init(&attributes);
  if (result != 0) return result;
  result = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  if (result == 0) result = pthread_cond_init(condition, &attributes);
  pthread_condattr_destroy(&attributes);
  return result;
}

/* `pthread_attr_t` may come into Swift from the module of another package, whose members are then out of sight. */
static inline int clinux_start_detached_thread(pthread_t *thread, size_t stack_size, void *(*body)(void *),
                                               void *context) {
  pthread_attr_t attributes;
  int result = pthread_attr_init(&attributes);
  if (result != 0) return result;
  result = pthread_attr_setstacksize(&attributes, stack_size);
  if (result == 0) result = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  if (result == 0) result = pthread_create(thread, &attributes, body, context);
  pthread_attr_destroy(&attributes);
  return result;
}

/* malloc.h is not part of Swift's Glibc module. */
static inline void clinux_limit_malloc_arenas(int count) { mallopt(M_ARENA_MAX, count); }

/* strerrorname_np(3): glibc declares it only under _GNU_SOURCE. */
extern const char *strerrorname_np(int number);
static inline const char *_Nullable clinux_error_name(int number) { return strerrorname_np(number); }
