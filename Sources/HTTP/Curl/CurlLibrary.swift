internal import CCurl
internal import LinuxSystem

/// The loaded library. It stays loaded: its threads and those of OpenSSL may outlive every client.
final class CurlLibrary: @unchecked Sendable {
  // SAFETY (Sendable): written once, before anyone else has the object; the functions are thread safe as used here.
  let functions: UnsafeMutablePointer<ccurl_functions>

  private static let loaded = LibraryTable<CurlLibrary>()

  /// Loads it once per process and name. dlopen(3).
  /// - Throws: `.library`, with what to do.
  static func load(_ name: String) throws(HTTPError) -> CurlLibrary {
    try loaded.library(name) { (name) throws(HTTPError) in try CurlLibrary(name) }
  }

  private init(_ name: String) throws(HTTPError) {
    let library: UnsafeMutableRawPointer
    do throws(DynamicLibrary.Failure) { library = try DynamicLibrary.load(name) } catch {
      throw HTTPError(.library, "\(name) could not be loaded (\(error.reason)): \(Self.advice)")
    }
    functions = .allocate(capacity: 1)
    if let missing = ccurl_resolve(library, functions) {
      throw HTTPError(.library, "\(name) has no function \(String(cString: missing)): \(Self.advice)")
    }
    let version = functions.pointee.version_info(CURLVERSION_FIRST)?.pointee
    guard let version, version.version_num >= CCURL_OLDEST else {
      let found = version?.version.map { String(cString: $0) } ?? "?"
      throw HTTPError(.library, "\(name) is libcurl \(found), and 7.80 is the oldest that will do: \(Self.advice)")
    }
    guard version.features & CURL_VERSION_SSL != 0, functions.pointee.global_init(3 /* all */) == CURLE_OK else {
      throw HTTPError(.library, "\(name) cannot do TLS: \(Self.advice)")
    }
  }

  private static let advice =
    "install the package libcurl4 (libcurl4t64 from Debian 13 and Ubuntu 24.04 on), version 7.80 or later"

  /// What a code of the library means, in its own words.
  func text(of code: CURLcode) -> String {
    functions.pointee.easy_strerror(code).map { String(cString: $0) } ?? "error \(code.rawValue)"
  }
}
