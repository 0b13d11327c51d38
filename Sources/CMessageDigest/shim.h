/* libmd: SHA-256 for names that are derived from other names. No shim: the header imports as it is. */
#include <sha256.h>
