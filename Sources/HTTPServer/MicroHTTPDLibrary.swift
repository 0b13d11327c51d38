internal import CMicroHTTPD
internal import LinuxSystem

/// The loaded library. It stays loaded.
final class MicroHTTPDLibrary: @unchecked Sendable {
  // SAFETY (Sendable): written once, before anyone else has the object; the functions are thread safe as used here.
  let functions: UnsafeMutablePointer<cmhd_functions>

  private static let loaded = LibraryTable<MicroHTTPDLibrary>()
  /// By its major version, as the package libmicrohttpd12 has it.
  static let name = "libmicrohttpd.so.12"

  /// Loads it once per process and name. dlopen(3).
  static func load(_ name: String) throws(HTTPServerError) -> MicroHTTPDLibrary {
    try loaded.library(name) { (name) throws(HTTPServerError) in try MicroHTTPDLibrary(name) }
  }

  private init(_ name: String) throws(HTTPServerError) {
    let library: UnsafeMutableRawPointer
    do throws(DynamicLibrary.Failure) { library = try DynamicLibrary.load(name) } catch {
      throw HTTPServerError("\(name) could not be loaded (\(error.reason)): \(Self.advice)")
    }
    functions = .allocate(capacity: 1)
    if let missing = cmhd_resolve(library, functions) {
      throw HTTPServerError("\(name) has no function \(String(cString: missing)): \(Self.advice)")
    }
    let version = functions.pointee.get_version().map { String(cString: $0) } ?? "?"
    guard Self.number(version) >= CMHD_OLDEST else {
      throw HTTPServerError("\(name) is version \(version), and 0.9.71 is the oldest that will do: \(Self.advice)")
    }
  }

  /// 0x00097500 for `0.9.75`, as the library's header has it.
  private static func number(_ version: String) -> UInt32 {
    let parts = version.split(separator: ".").prefix(3).map { UInt32($0, radix: 16) ?? 0 }
    guard parts.count == 3 else { return 0 }
    return parts[0] << 24 | parts[1] << 16 | parts[2] << 8
  }

  private static let advice = "install the package libmicrohttpd12, or leave --metrics-address away"
}
