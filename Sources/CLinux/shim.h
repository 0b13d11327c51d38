/* System calls and constants that Swift's Glibc overlay does not import. Each shim says why it exists. */
#pragma once
#include <sys/types.h>
