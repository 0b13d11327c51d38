/* libfuse3's low-level API and the kernel's FUSE wire format. */
#pragma once
#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>
#include <linux/fuse.h>
