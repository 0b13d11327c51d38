/* Seccomp filters that take system calls away for good, one beside the other: a process starts with what no worker needs, and
   adds what its volume does not when it knows that. In C, since both the calls' numbers and the filters' statements are
   macros; the lists are the only thing that may change. */
#pragma once
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define CLINUX_AUDIT_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define CLINUX_AUDIT_ARCH AUDIT_ARCH_AARCH64
#endif

#define CLINUX_DENY(call) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* How every filter begins: nothing but this machine's own calls, by the number in the accumulator. */
#define CLINUX_LOAD_CALL \
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)), \
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLINUX_AUDIT_ARCH, 1, 0), \
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM), \
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))

/* For this process and all that it makes. Needs no_new_privs or CAP_SYS_ADMIN. The kernel keeps a bitmap of the calls that are
   always allowed, which are then not slower than before (Linux 5.11). */
static inline int clinux_install_filter(struct sock_filter *filter, unsigned short length) {
  struct sock_fprog program = {length, filter};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

/* No programs, no mounts, no kernel modules, no other processes' memory, no clocks. */
static inline int clinux_deny_system_calls(void) {
#ifndef CLINUX_AUDIT_ARCH
  errno = ENOSYS;
  return -1;
#else
  struct sock_filter filter[] = {
      CLINUX_LOAD_CALL,
#if defined(__x86_64__)
      /* The x32 numbers of the same calls. */
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      CLINUX_DENY(SYS_iopl),
      CLINUX_DENY(SYS_ioperm),
#endif
      CLINUX_DENY(SYS_execve),
      CLINUX_DENY(SYS_execveat),
      CLINUX_DENY(SYS_ptrace),
      CLINUX_DENY(SYS_process_vm_readv),
      CLINUX_DENY(SYS_process_vm_writev),
      CLINUX_DENY(SYS_kcmp),
      CLINUX_DENY(438 /* pidfd_getfd */),
      CLINUX_DENY(SYS_mount),
      CLINUX_DENY(SYS_umount2),
      CLINUX_DENY(SYS_pivot_root),
      CLINUX_DENY(SYS_chroot),
      CLINUX_DENY(428 /* open_tree */),
      CLINUX_DENY(429 /* move_mount */),
      CLINUX_DENY(430 /* fsopen */),
      CLINUX_DENY(431 /* fsconfig */),
      CLINUX_DENY(432 /* fsmount */),
      CLINUX_DENY(433 /* fspick */),
      CLINUX_DENY(442 /* mount_setattr */),
      CLINUX_DENY(SYS_setns),
      /* But for CLONE_FS: threads have umasks of their own. */
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x200, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      CLINUX_DENY(SYS_bpf),
      CLINUX_DENY(SYS_perf_event_open),
      CLINUX_DENY(SYS_userfaultfd),
      CLINUX_DENY(425 /* io_uring_setup */),
      CLINUX_DENY(SYS_init_module),
      CLINUX_DENY(SYS_finit_module),
      CLINUX_DENY(SYS_delete_module),
      CLINUX_DENY(SYS_kexec_load),
      CLINUX_DENY(SYS_reboot),
      CLINUX_DENY(SYS_swapon),
      CLINUX_DENY(SYS_swapoff),
      CLINUX_DENY(SYS_acct),
      CLINUX_DENY(SYS_quotactl),
      CLINUX_DENY(SYS_fanotify_init),
      CLINUX_DENY(SYS_keyctl),
      CLINUX_DENY(SYS_add_key),
      CLINUX_DENY(SYS_request_key),
      CLINUX_DENY(SYS_settimeofday),
      CLINUX_DENY(SYS_clock_settime),
      CLINUX_DENY(SYS_clock_adjtime),
      CLINUX_DENY(SYS_adjtimex),
      CLINUX_DENY(SYS_sethostname),
      CLINUX_DENY(SYS_setdomainname),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return clinux_install_filter(filter, sizeof filter / sizeof filter[0]);
#endif
}

/* No network. */
static inline int clinux_deny_sockets(void) {
#ifndef CLINUX_AUDIT_ARCH
  errno = ENOSYS;
  return -1;
#else
  struct sock_filter filter[] = {
      CLINUX_LOAD_CALL,
      CLINUX_DENY(SYS_socket),
      CLINUX_DENY(SYS_connect),
      CLINUX_DENY(SYS_bind),
      CLINUX_DENY(SYS_listen),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return clinux_install_filter(filter, sizeof filter / sizeof filter[0]);
#endif
}

/* No serving of others by network (the resolver binds a netlink socket, so that bind stays), no files but by name, none of
   another owner or sort, no other identity. */
static inline int clinux_deny_all_but_fetching(void) {
#ifndef CLINUX_AUDIT_ARCH
  errno = ENOSYS;
  return -1;
#else
  struct sock_filter filter[] = {
      CLINUX_LOAD_CALL,
      CLINUX_DENY(SYS_listen),
      CLINUX_DENY(SYS_accept),
      CLINUX_DENY(SYS_accept4),
      CLINUX_DENY(SYS_open_by_handle_at),
      CLINUX_DENY(SYS_mknodat),
      CLINUX_DENY(SYS_fchownat),
      CLINUX_DENY(SYS_fchown),
      CLINUX_DENY(SYS_setuid),
      CLINUX_DENY(SYS_setgid),
      CLINUX_DENY(SYS_setreuid),
      CLINUX_DENY(SYS_setregid),
      CLINUX_DENY(SYS_setresuid),
      CLINUX_DENY(SYS_setresgid),
      CLINUX_DENY(SYS_setgroups),
      CLINUX_DENY(SYS_capset),
#if defined(__x86_64__)
      CLINUX_DENY(SYS_mknod),
      CLINUX_DENY(SYS_chown),
      CLINUX_DENY(SYS_lchown),
#endif
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return clinux_install_filter(filter, sizeof filter / sizeof filter[0]);
#endif
}
