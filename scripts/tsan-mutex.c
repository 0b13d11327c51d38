/* Shows ThreadSanitizer the locks of Swift's Synchronization.Mutex; scripts/sanitizers.sh loads it into the tests.
 *
 * The fast path of a Mutex is inlined into the code under test, and so is seen. Where threads contend, the lock is taken
 * and handed over in the Swift runtime (a spin, then a priority-inheriting futex), which is not instrumented: without this
 * ThreadSanitizer sees no order between two critical sections, and reports everything that a contended Mutex guards. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Of the sanitizer's runtime. Weak: the programs that run the tests have none. */
__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

#define MUTEX "$s15Synchronization12_MutexHandleV"
#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *

static void *original(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (found) return found;
  fprintf(stderr, "tsan-mutex: this Swift runtime has no %s\n", name);
  abort();
}

/* Synchronization._MutexHandle._lockSlow(UInt32) */
SWIFT void lock_slow(uint32_t owner, SELF self) __asm__(MUTEX "9_lockSlowyys6UInt32VF");
SWIFT void lock_slow(uint32_t owner, SELF self) {
  static SWIFT void (*next)(uint32_t, SELF);
  if (!next) next = original(MUTEX "9_lockSlowyys6UInt32VF");
  next(owner, self);
  if (__tsan_acquire) __tsan_acquire(self);
}

/* Synchronization._MutexHandle._tryLockSlow() -> Bool */
SWIFT _Bool try_lock_slow(SELF self) __asm__(MUTEX "12_tryLockSlowSbyF");
SWIFT _Bool try_lock_slow(SELF self) {
  static SWIFT _Bool (*next)(SELF);
  if (!next) next = original(MUTEX "12_tryLockSlowSbyF");
  _Bool locked = next(self);
  if (locked && __tsan_acquire) __tsan_acquire(self);
  return locked;
}

/* Synchronization._MutexHandle._unlockSlow() */
SWIFT void unlock_slow(SELF self) __asm__(MUTEX "11_unlockSlowyyF");
SWIFT void unlock_slow(SELF self) {
  static SWIFT void (*next)(SELF);
  if (!next) next = original(MUTEX "11_unlockSlowyyF");
  if (__tsan_release) __tsan_release(self);
  next(self);
}
