/* System calls and constants that Swift's Glibc overlay does not import, one header per topic. Each shim says why it
   exists. Everything here is a static inline wrapper or a constant: no logic. */
#pragma once
/* The headers of libc are no modules of their own: whichever module reads one first owns its types, and Swift then asks
   every file that uses `struct stat` to import that module. Reading Swift's module of libc first leaves them there. */
#if __has_feature(modules)
#pragma clang module import SwiftGlibc
#endif
#include <sys/types.h>
#include "atomic.h"
#include "event.h"
#include "files.h"
#include "landlock.h"
#include "mount.h"
#include "process.h"
#include "seccomp.h"
#include "socket.h"
#include "storage.h"
