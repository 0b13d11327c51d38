/* gRPC core imports as it is: this umbrella only names the headers. */
#pragma once
/* First, as grpc's headers define _GNU_SOURCE: glibc's types must look here as they do in Swift's Glibc module, or the
   compiler refuses to merge the two (fd_set). */
#include <features.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
