/* libfyaml: YAML of kubeconfig files, which it turns into JSON. No function needs a shim. The static library is linked
   (module.modulemap): 0.4 MB in the one program that reads YAML, and nothing for a machine to install. */
#pragma once
/* libc's types stay with Swift's module of libc, whichever C module a target reads first; CLinux says why. */
#if __has_feature(modules)
#pragma clang module import SwiftGlibc
#endif
#include <libfyaml.h>
