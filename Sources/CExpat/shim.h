/* Expat: XML of object stores as a stream. No function needs a shim. libxml2 would load ICU, 31 MB of it. The static
   library is linked (module.modulemap): 0.2 MB in the one program that reads XML, and nothing for a machine to install. */
#pragma once
/* libc's types stay with Swift's module of libc, whichever C module a target reads first; CLinux says why. */
#if __has_feature(modules)
#pragma clang module import SwiftGlibc
#endif
#include <expat.h>
