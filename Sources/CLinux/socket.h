/* Descriptors over unix sockets: the CMSG_ macros and `struct ucred` are not imported into Swift. */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* The most descriptors that the kernel passes in one message (SCM_MAX_FD). */
#define CLINUX_SCM_MAX_FD 253

static const int clinux_SOCK_SEQPACKET = SOCK_SEQPACKET;
static const int clinux_SOCK_CLOEXEC = SOCK_CLOEXEC;
static const int clinux_SOCK_NONBLOCK = SOCK_NONBLOCK;
static const int clinux_MSG_NOSIGNAL = MSG_NOSIGNAL;
static const int clinux_MSG_DONTWAIT = MSG_DONTWAIT;
static const int clinux_MSG_CMSG_CLOEXEC = MSG_CMSG_CLOEXEC;
static const int clinux_MSG_TRUNC = MSG_TRUNC;
static const int clinux_MSG_CTRUNC = MSG_CTRUNC;

static inline ssize_t clinux_send_message(
    int socket, const void *bytes, size_t count, const int *descriptors, size_t descriptor_count, int flags) {
  union {
    struct cmsghdr aligned;
    char buffer[CMSG_SPACE(sizeof(int) * CLINUX_SCM_MAX_FD)];
  } control;
  struct iovec part = {(void *)bytes, count};
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor_count > CLINUX_SCM_MAX_FD) {
    errno = EINVAL;
    return -1;
  }
  if (descriptor_count > 0) {
    memset(&control, 0, CMSG_SPACE(sizeof(int) * descriptor_count));
    message.msg_control = control.buffer;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptor_count);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * descriptor_count);
    memcpy(CMSG_DATA(header), descriptors, sizeof(int) * descriptor_count);
  }
  return sendmsg(socket, &message, flags);
}

/* `descriptors` has room for CLINUX_SCM_MAX_FD numbers; all that arrive are stored, so that the caller can close them.
   `message_flags` tells MSG_TRUNC and MSG_CTRUNC. */
static inline ssize_t clinux_receive_message(
    int socket, void *bytes, size_t capacity, int *descriptors, size_t *descriptor_count, int flags,
    int *message_flags) {
  union {
    struct cmsghdr aligned;
    char buffer[CMSG_SPACE(sizeof(int) * CLINUX_SCM_MAX_FD) + CMSG_SPACE(64)];
  } control;
  struct iovec part = {bytes, capacity};
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.buffer;
  message.msg_controllen = sizeof control.buffer;
  *descriptor_count = 0;
  ssize_t result = recvmsg(socket, &message, flags);
  if (result < 0) return result;
  *message_flags = message.msg_flags;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count && *descriptor_count < CLINUX_SCM_MAX_FD; i++) {
      memcpy(&descriptors[*descriptor_count], CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      *descriptor_count += 1;
    }
  }
  return result;
}

/* `struct ucred` of the kernel, which glibc shows only under _GNU_SOURCE. */
struct clinux_credentials {
  int pid;
  unsigned uid;
  unsigned gid;
};
static inline int clinux_peer_credentials(int socket, struct clinux_credentials *out) {
  socklen_t length = sizeof *out;
  return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, out, &length);
}

/* `struct sockaddr_un` holds its path as a tuple in Swift. Returns -1 with ENAMETOOLONG for 108 bytes and more. */
static inline int clinux_unix_address(const char *path, struct sockaddr_un *out, socklen_t *length) {
  size_t count = strlen(path);
  if (count == 0 || count >= sizeof out->sun_path) {
    errno = count == 0 ? EINVAL : ENAMETOOLONG;
    return -1;
  }
  memset(out, 0, sizeof *out);
  out->sun_family = AF_UNIX;
  memcpy(out->sun_path, path, count + 1);
  *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + count + 1);
  return 0;
}
static inline int clinux_bind(int socket, const char *path) {
  struct sockaddr_un address;
  socklen_t length;
  if (clinux_unix_address(path, &address, &length) != 0) return -1;
  return bind(socket, (struct sockaddr *)&address, length);
}
static inline int clinux_connect(int socket, const char *path) {
  struct sockaddr_un address;
  socklen_t length;
  if (clinux_unix_address(path, &address, &length) != 0) return -1;
  return connect(socket, (struct sockaddr *)&address, length);
}
/* accept4(2): glibc declares it only under _GNU_SOURCE. */
static inline int clinux_accept(int socket) {
  return (int)syscall(SYS_accept4, socket, NULL, NULL, SOCK_CLOEXEC);
}

/* pipe2(2): glibc declares it only under _GNU_SOURCE. */
static inline int clinux_pipe(int ends[2]) { return (int)syscall(SYS_pipe2, ends, O_CLOEXEC); }
