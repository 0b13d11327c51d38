import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("Borders between programs, in what was linked")
struct LinkBorderTests {
  /// Runs a program and returns what it printed.
  private func output(_ program: String, _ arguments: [String]) throws -> (text: String, exit: ProcessExit) {
    let path = try #require(Machine.program(program), "\(program) is not installed")
    var pipe = try Pipe()
    var spawn = Spawn(executable: path, arguments: [program] + arguments, environment: ["LC_ALL=C"])
    spawn.descriptors[1] = pipe.writerNumber
    let child = try spawn.start()
    pipe.closeWriter()
    let text = String(decoding: try pipe.reader.descriptor.readToEnd(), as: UTF8.self)
    return (text, try child.wait())
  }

  /// Shared libraries that the program loads, indirectly too.
  private func libraries(of product: String) throws -> [String] {
    let (text, exit) = try output("ldd", [try builtProduct(product)])
    #expect(exit.isSuccess)
    let names = text.split(separator: "\n").compactMap { $0.split(separator: " ").first }
    return names.map { $0.drop { $0 == "\t" } }.map(String.init)
  }

  /// Whether the file holds the text, as the names of linked symbols do.
  private func holds(_ product: String, _ text: String) throws -> Bool {
    try output("grep", ["-q", "-a", "-F", "-e", text, try builtProduct(product)]).exit.isSuccess
  }

  @Test("alluxio-csi and alluxio-mounter do without libfuse", arguments: ["alluxio-csi", "alluxio-mounter"])
  func withoutFuse(product: String) throws {
    #expect(try !libraries(of: product).contains { $0.contains("libfuse") })
    #expect(try !holds(product, "fuse_session_"))
  }

  @Test("alluxio-fuse and alluxio-mounter do without gRPC", arguments: ["alluxio-fuse", "alluxio-mounter"])
  func withoutGRPC(product: String) throws {
    let libraries = try libraries(of: product)
    for name in ["libgrpc", "libgpr", "libabsl", "libssl", "libcares"] {
      #expect(!libraries.contains { $0.hasPrefix(name) }, "\(product) loads \(name)")
    }
    #expect(try !holds(product, "grpc_completion_queue_"))
  }

  @Test(
    "no program links libcurl: it is loaded where HTTP is spoken",
    arguments: ["alluxio-csi", "alluxio-fuse", "alluxio-mounter"])
  func withoutCurl(product: String) throws {
    #expect(try !libraries(of: product).contains { $0.hasPrefix("libcurl") })
  }

  @Test("alluxio-mounter does without Foundation, curl and the C++ library of gRPC")
  func smallMounter() throws {
    let libraries = try libraries(of: "alluxio-mounter")
    for name in ["libFoundation", "lib_Foundation", "libcurl", "libprotobuf.so", "libicu"] {
      #expect(!libraries.contains { $0.hasPrefix(name) }, "alluxio-mounter loads \(name)")
    }
    // Mangled names begin with the module's length and name.
    #expect(try !holds("alluxio-mounter", "$s10Foundation"))
    #expect(try !holds("alluxio-mounter", "$s20FoundationEssentials"))
    #expect(try !holds("alluxio-mounter", "$s14ArgumentParser"))
    #expect(try !holds("alluxio-mounter", "libcurl.so"))
  }

  @Test("the checks would notice: each library is found in the program that has it")
  func canary() throws {
    #expect(try libraries(of: "alluxio-csi").contains { $0.hasPrefix("libgrpc") })
    #expect(try holds("alluxio-csi", "grpc_completion_queue_"))
    #expect(try libraries(of: "alluxio-fuse").contains { $0.hasPrefix("libfuse3") })
    #expect(try holds("alluxio-fuse", "fuse_session_"))
  }
}
