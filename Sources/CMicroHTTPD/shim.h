/* libmicrohttpd's types and constants. The module links nothing: the library is loaded when the first server is made, so
   that a plugin without --metrics-address does not map it and all that it brings (GnuTLS). Each definition below says why
   it exists. */
#pragma once
/* libc's types stay with Swift's module of libc, whichever C module a target reads first; CLinux says why. */
#if __has_feature(modules)
#pragma clang module import SwiftGlibc
#endif
#include <dlfcn.h>
#include <microhttpd.h>
#include <stddef.h>
#include <stdint.h>

/* 0.9.71: the oldest library whose callbacks answer with an enum. */
#define CMHD_OLDEST 0x00097100u

/* Every function that is used, with the type that the header gives it, so that a change of a type does not compile. */
struct cmhd_functions {
  __typeof__(MHD_start_daemon) *_Nonnull start_daemon;
  __typeof__(MHD_stop_daemon) *_Nonnull stop_daemon;
  __typeof__(MHD_suspend_connection) *_Nonnull suspend_connection;
  __typeof__(MHD_resume_connection) *_Nonnull resume_connection;
  __typeof__(MHD_create_response_from_buffer) *_Nonnull create_response_from_buffer;
  __typeof__(MHD_add_response_header) *_Nonnull add_response_header;
  __typeof__(MHD_queue_response) *_Nonnull queue_response;
  __typeof__(MHD_destroy_response) *_Nonnull destroy_response;
  __typeof__(MHD_get_version) *_Nonnull get_version;
};

/* Looks up all of them; Swift cannot make a table of pointers that are never null piece by piece. Returns the name of the
   first that the library does not have, or NULL. */
static inline const char *_Nullable cmhd_resolve(void *_Nonnull library, struct cmhd_functions *_Nonnull table) {
#define CMHD_RESOLVE(name) \
  if ((table->name = (__typeof__(table->name))dlsym(library, "MHD_" #name)) == NULL) return "MHD_" #name;
  CMHD_RESOLVE(start_daemon)
  CMHD_RESOLVE(stop_daemon)
  CMHD_RESOLVE(suspend_connection)
  CMHD_RESOLVE(resume_connection)
  CMHD_RESOLVE(create_response_from_buffer)
  CMHD_RESOLVE(add_response_header)
  CMHD_RESOLVE(queue_response)
  CMHD_RESOLVE(destroy_response)
  CMHD_RESOLVE(get_version)
#undef CMHD_RESOLVE
  return NULL;
}

/* Versions of the header differ in how Swift sees their enums: these are the same for all. */
static const enum MHD_Result cmhd_yes = MHD_YES;
static const enum MHD_Result cmhd_no = MHD_NO;
static const enum MHD_ResponseMemoryMode cmhd_copied = MHD_RESPMEM_MUST_COPY;

/* Swift passes a closure only where it sees the type of the function. */
typedef enum MHD_Result (*cmhd_request_callback)(void *_Nullable context, struct MHD_Connection *_Nullable connection,
                                                 const char *_Nullable url, const char *_Nullable method,
                                                 const char *_Nullable version, const char *_Nullable upload,
                                                 size_t *_Nullable upload_size, void *_Nullable *_Nullable request);
typedef void (*cmhd_completed_callback)(void *_Nullable context, struct MHD_Connection *_Nullable connection,
                                        void *_Nullable *_Nullable request, enum MHD_RequestTerminationCode how);

/* MHD_start_daemon is variadic, which Swift cannot call. The library owns `socket` from then on. */
static inline struct MHD_Daemon *_Nullable cmhd_start(
    const struct cmhd_functions *_Nonnull table, int socket, unsigned connections, unsigned idle_seconds,
    size_t connection_bytes, void *_Nullable context, cmhd_request_callback _Nonnull handle,
    cmhd_completed_callback _Nonnull completed) {
  return table->start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, context,
      MHD_OPTION_LISTEN_SOCKET, (MHD_socket)socket, MHD_OPTION_CONNECTION_LIMIT, connections,
      MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_bytes,
      MHD_OPTION_NOTIFY_COMPLETED, completed, context, MHD_OPTION_END);
}
