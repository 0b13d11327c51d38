/* epoll, eventfd, signalfd and timerfd: their headers are not in the Glibc module map. */
#pragma once
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

/* Enumerators of unnamed C enums come into Swift with types of their own; plain integers are easier to combine. */
static const int clinux_EPOLL_CLOEXEC = EPOLL_CLOEXEC;
static const unsigned clinux_EPOLLIN = EPOLLIN;
static const unsigned clinux_EPOLLOUT = EPOLLOUT;
static const unsigned clinux_EPOLLERR = EPOLLERR;
static const unsigned clinux_EPOLLHUP = EPOLLHUP;
static const unsigned clinux_EPOLLRDHUP = EPOLLRDHUP;
static const unsigned clinux_EPOLLPRI = EPOLLPRI;
static const unsigned clinux_EPOLLONESHOT = EPOLLONESHOT;
static const unsigned clinux_EPOLLET = EPOLLET;
static const int clinux_EFD_CLOEXEC = EFD_CLOEXEC;
static const int clinux_EFD_NONBLOCK = EFD_NONBLOCK;
static const int clinux_SFD_CLOEXEC = SFD_CLOEXEC;
static const int clinux_SFD_NONBLOCK = SFD_NONBLOCK;
static const int clinux_TFD_CLOEXEC = TFD_CLOEXEC;
static const int clinux_TFD_NONBLOCK = TFD_NONBLOCK;

/* struct epoll_event is packed and holds a union; both are clumsy in Swift. */
static inline int clinux_epoll_ctl(int epoll, int operation, int fd, unsigned events, uint64_t token) {
  struct epoll_event event;
  event.events = events;
  event.data.u64 = token;
  return epoll_ctl(epoll, operation, fd, &event);
}
static inline uint64_t clinux_epoll_token(const struct epoll_event *event) { return event->data.u64; }
static inline unsigned clinux_epoll_events(const struct epoll_event *event) { return event->events; }
