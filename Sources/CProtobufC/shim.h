/* protobuf-c's runtime; imports as it is. */
#include <protobuf-c/protobuf-c.h>
