/* Atomic access to memory that two processes map. Swift's `Atomic` owns its storage, and so cannot describe words in a
   shared mapping; the compiler's builtins can. The name of each function ends in its memory ordering. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define CLINUX_ATOMICS(NAME, TYPE)                                                                                     \
  static inline TYPE clinux_##NAME##_load_relaxed(const void *p) {                                                     \
    return __atomic_load_n((const TYPE *)p, __ATOMIC_RELAXED);                                                         \
  }                                                                                                                    \
  static inline TYPE clinux_##NAME##_load_acquire(const void *p) {                                                     \
    return __atomic_load_n((const TYPE *)p, __ATOMIC_ACQUIRE);                                                         \
  }                                                                                                                    \
  static inline void clinux_##NAME##_store_relaxed(void *p, TYPE value) {                                              \
    __atomic_store_n((TYPE *)p, value, __ATOMIC_RELAXED);                                                              \
  }                                                                                                                    \
  static inline void clinux_##NAME##_store_release(void *p, TYPE value) {                                              \
    __atomic_store_n((TYPE *)p, value, __ATOMIC_RELEASE);                                                              \
  }                                                                                                                    \
  static inline TYPE clinux_##NAME##_add_acq_rel(void *p, TYPE value) {                                                \
    return __atomic_fetch_add((TYPE *)p, value, __ATOMIC_ACQ_REL);                                                     \
  }                                                                                                                    \
  static inline TYPE clinux_##NAME##_sub_acq_rel(void *p, TYPE value) {                                                \
    return __atomic_fetch_sub((TYPE *)p, value, __ATOMIC_ACQ_REL);                                                     \
  }                                                                                                                    \
  static inline TYPE clinux_##NAME##_exchange_acq_rel(void *p, TYPE value) {                                           \
    return __atomic_exchange_n((TYPE *)p, value, __ATOMIC_ACQ_REL);                                                    \
  }                                                                                                                    \
  /* Writes the value that was found to `expected` when it fails. */                                                   \
  static inline bool clinux_##NAME##_compare_exchange_acq_rel(void *p, TYPE *expected, TYPE desired) {                 \
    return __atomic_compare_exchange_n((TYPE *)p, expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);       \
  }

CLINUX_ATOMICS(u32, uint32_t)
CLINUX_ATOMICS(u64, uint64_t)
