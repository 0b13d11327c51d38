internal import CCurl
import Glibc
import Synchronization

/// SHA-256 by the library that libcurl has brought for TLS. With the processor's instructions it takes a seventh of libmd's
/// time (*measured*: 0.6 s of processor time for 1 GiB instead of 4.1 s), and no memory, being there anyhow.
package final class LibraryDigest {
  private let functions: Functions
  private let context: UnsafeMutableRawPointer
  private var isSound = true

  /// nil where no such library is loaded: before the first client, or with a libcurl that uses another one.
  package init?() {
    // SAFETY: the context is this object's alone until its end.
    guard let functions = Functions.loaded, let context = functions.table.pointee.context_new() else { return nil }
    self.functions = functions
    self.context = context
    guard let type = functions.table.pointee.sha256(), functions.table.pointee.begin(context, type, nil) == 1 else {
      return nil
    }
  }

  // SAFETY: nobody else has the context.
  deinit { functions.table.pointee.context_free(context) }

  /// Adds the next bytes.
  package func update(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { bytes in
      // SAFETY: the library reads `count` bytes and keeps none.
      if functions.table.pointee.update(context, bytes.baseAddress, bytes.count) != 1 { isSound = false }
    }
  }

  /// The 32 bytes of all that was added; nil where the library failed. The object is of no use afterwards.
  package func finish() -> [UInt8]? {
    var output = [UInt8](repeating: 0, count: 32)
    // SAFETY: the library writes 32 bytes.
    guard functions.table.pointee.finish(context, &output, nil) == 1, isSound else { return nil }
    return output
  }
}

/// What is used of the library; it stays loaded, as libcurl does.
private final class Functions: @unchecked Sendable {
  // SAFETY (Sendable): written once, before anyone else has the object; the functions are thread safe.
  let table: UnsafeMutablePointer<ccurl_digest_functions>

  private static let found = Mutex<Functions?>(nil)

  /// Looked for until it is there: libcurl is loaded with the first client.
  static var loaded: Functions? {
    found.withLock { found in
      if found == nil { found = Functions() }
      return found
    }
  }

  private init?() {
    // OpenSSL 3 and 1.1. Only what is loaded already: nothing is read from the disk.
    let names = ["libcrypto.so.3", "libcrypto.so.1.1"]
    guard let library = names.lazy.compactMap({ dlopen($0, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD) }).first else {
      return nil
    }
    table = .allocate(capacity: 1)
    // SAFETY: the table is written whole, or not used.
    if ccurl_resolve_digest(library, table) != nil {
      table.deallocate()
      return nil
    }
  }
}
