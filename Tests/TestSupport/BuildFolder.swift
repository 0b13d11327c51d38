import Glibc
import LinuxSystem
package import SystemPackage

/// What the build that this test run belongs to has made.
package enum BuildFolder {
  /// The folder of the running test program: `.build/debug` or the like. Under `swift test` the process may be the
  /// test bundle itself or a runner that was given its path, so the mapped files are asked.
  package static let path: String = {
    let suffix = ".xctest"
    let maps = (try? WholeFile.text("/proc/self/maps")) ?? ""
    let mapped = maps.split(separator: "\n").compactMap { line in line.firstIndex(of: "/").map { String(line[$0...]) } }
    let bundle = mapped.first { $0.hasSuffix(suffix) }
    let program =
      bundle ?? ((try? SymbolicLink.read("/proc/self/exe")).map { String(decoding: $0, as: UTF8.self) } ?? "/")
    return program.lastIndex(of: "/").map { String(program[..<$0]) } ?? "/"
  }()

  /// The path of an executable product of the package.
  /// - Throws: `.noSuchFileOrDirectory` when it was not built: `swift build --build-tests` builds all products.
  package static func product(_ name: String) throws(Errno) -> String {
    let product = "\(path)/\(name)"
    guard access(product, X_OK) == 0 else { throw Errno.noSuchFileOrDirectory }
    return product
  }

  /// The package's root folder, by this file's place in it.
  package static func sources(_ file: StaticString = #filePath) -> String {
    let parts = "\(file)".split(separator: "/")
    guard let tests = parts.lastIndex(of: "Tests") else { return "/" }
    return "/" + parts[..<tests].joined(separator: "/")
  }
}

/// The path of an executable product of this package, as `builtProduct("alluxio-fuse")`.
/// - Throws: `.noSuchFileOrDirectory` when it was not built.
package func builtProduct(_ name: String) throws(Errno) -> String { try BuildFolder.product(name) }
