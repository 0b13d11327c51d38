import Glibc
import Synchronization

/// Libraries that are loaded by their names, by who needs them. dlopen(3). They stay loaded.
package enum DynamicLibrary {
  /// Why a library is not there.
  package struct Failure: Error {
    /// In the loader's words.
    package let reason: String
  }

  /// - Returns: what dlsym(3) takes.
  package static func load(_ name: String) throws(Failure) -> UnsafeMutableRawPointer {
    if let library = dlopen(name, RTLD_NOW | RTLD_LOCAL) { return library }
    // SAFETY: the text is copied before any other call of this thread.
    throw Failure(reason: dlerror().map { String(cString: $0) } ?? "no reason is known")
  }
}

/// What was made of libraries, once per process and name.
package final class LibraryTable<Library: Sendable>: Sendable {
  private let loaded = Mutex<[String: Library]>([:])

  package init() {}

  /// - Parameter make: called under the lock, for a name that is new or that it failed for.
  package func library<Failure: Error>(
    _ name: String, make: (String) throws(Failure) -> Library
  ) throws(Failure) -> Library {
    try loaded.withLock { (loaded) throws(Failure) -> Library in
      if let library = loaded[name] { return library }
      let library = try make(name)
      loaded[name] = library
      return library
    }
  }
}
