/* A seccomp filter that takes system calls away for good. In C, since both the calls' numbers and the filter's statements
   are macros; the list is the only thing that may change. */
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

/* For this process and all that it makes: no programs, no mounts, no kernel modules, no other processes' memory, no network.
   Needs no_new_privs or CAP_SYS_ADMIN. The kernel keeps a bitmap of the calls that are always allowed, which are then not
   slower than before (Linux 5.11). */
static inline int clinux_deny_system_calls(void) {
#ifndef CLINUX_AUDIT_ARCH
  errno = ENOSYS;
  return -1;
#else
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLINUX_AUDIT_ARCH, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
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
      CLINUX_DENY(SYS_socket),
      CLINUX_DENY(SYS_connect),
      CLINUX_DENY(SYS_bind),
      CLINUX_DENY(SYS_listen),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
#endif
}
