/* System calls and constants that Swift's Glibc overlay does not import, one header per topic. Each shim says why it
   exists. Everything here is a static inline wrapper or a constant: no logic. */
#pragma once
#include <sys/types.h>
#include "atomic.h"
#include "event.h"
#include "files.h"
#include "mount.h"
#include "process.h"
#include "socket.h"
#include "storage.h"
