#include "CXXHash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t cxxhash_64(const void *bytes, size_t count, uint64_t seed) { return XXH3_64bits_withSeed(bytes, count, seed); }

void cxxhash_128(const void *bytes, size_t count, uint64_t *high, uint64_t *low) {
  XXH128_hash_t hash = XXH3_128bits(bytes, count);
  *high = hash.high64;
  *low = hash.low64;
}
