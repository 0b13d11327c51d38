/* Expat: XML of object stores as a stream. No function needs a shim. libxml2 would load ICU, 31 MB of it. */
#pragma once
/* libc's types stay with Swift's module of libc, whichever C module a target reads first; CLinux says why. */
#if __has_feature(modules)
#pragma clang module import SwiftGlibc
#endif
#include <expat.h>
