/* libmd: SHA-256 for derived names and for signatures, MD5 where S3 asks for it. No shim: the headers import as they are. */
#include <md5.h>
#include <sha256.h>
