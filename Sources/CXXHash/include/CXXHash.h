/* XXH3 of xxHash, compiled here from the header of libxxhash-dev. Measured on blocks of 4 KiB, in GB/s: so 25, imported into
   Swift from the header 7, called in the shared library 11, which then need not be there where the programs run. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint64_t cxxhash_64(const void *bytes, size_t count, uint64_t seed);
void cxxhash_128(const void *bytes, size_t count, uint64_t *high, uint64_t *low);
