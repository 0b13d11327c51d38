/* libcurl's types and constants. The module links nothing: the library is loaded when the first client is made, so that
   programs which speak no HTTP do not map it and all that it brings (OpenSSL, nghttp2, Kerberos). Each definition below
   says why it exists. */
#pragma once
/* libc's types stay with Swift's module of libc, whichever C module a target reads first; CLinux says why. */
#if __has_feature(modules)
#pragma clang module import SwiftGlibc
#endif
/* The type checks are macros around the functions that are not called here, the warnings are about names that older
   libraries know and newer ones keep. */
#define CURL_DISABLE_TYPECHECK
#define CURL_DISABLE_DEPRECATION
#include <curl/curl.h>
#include <dlfcn.h>
#include <stddef.h>

/* 7.80: the oldest library that tells when a request is about to be sent (CURLOPT_PREREQFUNCTION). */
#define CCURL_OLDEST 0x075000u

/* 7.87: a transfer that ends while a name is being resolved leaves the resolver's thread to itself instead of waiting for
   it. A number, because headers of older versions do not have the name. */
#define CCURL_OPTION_QUICK_EXIT 322

/* Every function that is used, with the type that the header gives it, so that a change of a type does not compile. */
struct ccurl_functions {
  __typeof__(curl_global_init) *_Nonnull global_init;
  __typeof__(curl_version_info) *_Nonnull version_info;
  __typeof__(curl_easy_init) *_Nonnull easy_init;
  __typeof__(curl_easy_reset) *_Nonnull easy_reset;
  __typeof__(curl_easy_cleanup) *_Nonnull easy_cleanup;
  __typeof__(curl_easy_pause) *_Nonnull easy_pause;
  __typeof__(curl_easy_strerror) *_Nonnull easy_strerror;
  __typeof__(curl_easy_setopt) *_Nonnull easy_setopt;
  __typeof__(curl_easy_getinfo) *_Nonnull easy_getinfo;
  __typeof__(curl_slist_append) *_Nonnull slist_append;
  __typeof__(curl_slist_free_all) *_Nonnull slist_free_all;
  __typeof__(curl_multi_init) *_Nonnull multi_init;
  __typeof__(curl_multi_cleanup) *_Nonnull multi_cleanup;
  __typeof__(curl_multi_setopt) *_Nonnull multi_setopt;
  __typeof__(curl_multi_add_handle) *_Nonnull multi_add_handle;
  __typeof__(curl_multi_remove_handle) *_Nonnull multi_remove_handle;
  __typeof__(curl_multi_perform) *_Nonnull multi_perform;
  __typeof__(curl_multi_poll) *_Nonnull multi_poll;
  __typeof__(curl_multi_wakeup) *_Nonnull multi_wakeup;
  __typeof__(curl_multi_info_read) *_Nonnull multi_info_read;
};

/* Looks up all of them; Swift cannot make a table of pointers that are never null piece by piece. Returns the name of the
   first that the library does not have, or NULL. */
static inline const char *_Nullable ccurl_resolve(void *_Nonnull library, struct ccurl_functions *_Nonnull table) {
#define CCURL_RESOLVE(name) \
  if ((table->name = (__typeof__(table->name))dlsym(library, "curl_" #name)) == NULL) return "curl_" #name;
  CCURL_RESOLVE(global_init)
  CCURL_RESOLVE(version_info)
  CCURL_RESOLVE(easy_init)
  CCURL_RESOLVE(easy_reset)
  CCURL_RESOLVE(easy_cleanup)
  CCURL_RESOLVE(easy_pause)
  CCURL_RESOLVE(easy_strerror)
  CCURL_RESOLVE(easy_setopt)
  CCURL_RESOLVE(easy_getinfo)
  CCURL_RESOLVE(slist_append)
  CCURL_RESOLVE(slist_free_all)
  CCURL_RESOLVE(multi_init)
  CCURL_RESOLVE(multi_cleanup)
  CCURL_RESOLVE(multi_setopt)
  CCURL_RESOLVE(multi_add_handle)
  CCURL_RESOLVE(multi_remove_handle)
  CCURL_RESOLVE(multi_perform)
  CCURL_RESOLVE(multi_poll)
  CCURL_RESOLVE(multi_wakeup)
  CCURL_RESOLVE(multi_info_read)
#undef CCURL_RESOLVE
  return NULL;
}

/* The functions below are variadic, which Swift cannot call: one wrapper per type of the last argument. */
static inline CURLcode ccurl_set_long(const struct ccurl_functions *_Nonnull table, CURL *_Nonnull handle,
                                      CURLoption option, long value) {
  return table->easy_setopt(handle, option, value);
}
static inline CURLcode ccurl_set_size(const struct ccurl_functions *_Nonnull table, CURL *_Nonnull handle,
                                      CURLoption option, curl_off_t value) {
  return table->easy_setopt(handle, option, value);
}
/* Texts are copied by the library. */
static inline CURLcode ccurl_set_text(const struct ccurl_functions *_Nonnull table, CURL *_Nonnull handle,
                                      CURLoption option, const char *_Nullable value) {
  return table->easy_setopt(handle, option, value);
}
/* Lists, user data, buffers: what they point to is not copied. */
static inline CURLcode ccurl_set_pointer(const struct ccurl_functions *_Nonnull table, CURL *_Nonnull handle,
                                         CURLoption option, void *_Nullable value) {
  return table->easy_setopt(handle, option, value);
}
/* `bytes` stays the caller's and must outlive the handle's transfers. */
static inline CURLcode ccurl_set_blob(const struct ccurl_functions *_Nonnull table, CURL *_Nonnull handle,
                                      CURLoption option, const void *_Nonnull bytes, size_t count) {
  struct curl_blob blob = {(void *)bytes, count, CURL_BLOB_NOCOPY};
  return table->easy_setopt(handle, option, &blob);
}
/* Swift passes a closure only where it sees the type of the function. */
typedef size_t (*ccurl_bytes_callback)(char *_Nullable bytes, size_t size, size_t count, void *_Nullable context);
static inline CURLcode ccurl_set_bytes_callback(const struct ccurl_functions *_Nonnull table, CURL *_Nonnull handle,
                                                CURLoption option, ccurl_bytes_callback _Nonnull callback) {
  return table->easy_setopt(handle, option, callback);
}
typedef int (*ccurl_seek_callback)(void *_Nullable context, curl_off_t offset, int origin);
static inline CURLcode ccurl_set_seek_callback(const struct ccurl_functions *_Nonnull table, CURL *_Nonnull handle,
                                               ccurl_seek_callback _Nonnull callback) {
  return table->easy_setopt(handle, CURLOPT_SEEKFUNCTION, callback);
}
typedef int (*ccurl_request_callback)(void *_Nullable context, char *_Nullable local, char *_Nullable remote,
                                      int local_port, int remote_port);
static inline CURLcode ccurl_set_request_callback(const struct ccurl_functions *_Nonnull table, CURL *_Nonnull handle,
                                                  ccurl_request_callback _Nonnull callback) {
  return table->easy_setopt(handle, CURLOPT_PREREQFUNCTION, callback);
}
static inline CURLcode ccurl_get_long(const struct ccurl_functions *_Nonnull table, CURL *_Nonnull handle, CURLINFO info,
                                      long *_Nonnull value) {
  return table->easy_getinfo(handle, info, value);
}
static inline CURLcode ccurl_get_pointer(const struct ccurl_functions *_Nonnull table, CURL *_Nonnull handle,
                                         void *_Nullable *_Nonnull value) {
  return table->easy_getinfo(handle, CURLINFO_PRIVATE, value);
}
static inline CURLMcode ccurl_multi_set_long(const struct ccurl_functions *_Nonnull table, CURLM *_Nonnull multi,
                                             CURLMoption option, long value) {
  return table->multi_setopt(multi, option, value);
}
/* `data` of a message is a union. */
static inline CURLcode ccurl_message_result(const CURLMsg *_Nonnull message) { return message->data.result; }

/* SHA-256 of libcrypto (OpenSSL 1.1.0 and later), which libcurl brings for TLS and which is therefore no library of ours:
   its headers may be missing. */
struct ccurl_digest_functions {
  void *_Nullable (*_Nonnull context_new)(void);
  void (*_Nonnull context_free)(void *_Nullable context);
  const void *_Nullable (*_Nonnull sha256)(void);
  int (*_Nonnull begin)(void *_Nonnull context, const void *_Nonnull type, void *_Nullable engine);
  int (*_Nonnull update)(void *_Nonnull context, const void *_Nullable bytes, size_t count);
  int (*_Nonnull finish)(void *_Nonnull context, unsigned char *_Nonnull digest, unsigned *_Nullable count);
};

/* As ccurl_resolve. */
static inline const char *_Nullable ccurl_resolve_digest(void *_Nonnull library,
                                                         struct ccurl_digest_functions *_Nonnull table) {
#define CCURL_RESOLVE(field, name) \
  if ((table->field = (__typeof__(table->field))dlsym(library, name)) == NULL) return name;
  CCURL_RESOLVE(context_new, "EVP_MD_CTX_new")
  CCURL_RESOLVE(context_free, "EVP_MD_CTX_free")
  CCURL_RESOLVE(sha256, "EVP_sha256")
  CCURL_RESOLVE(begin, "EVP_DigestInit_ex")
  CCURL_RESOLVE(update, "EVP_DigestUpdate")
  CCURL_RESOLVE(finish, "EVP_DigestFinal_ex")
#undef CCURL_RESOLVE
  return NULL;
}
