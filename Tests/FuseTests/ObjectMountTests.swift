import Glibc
import HTTP
import LinuxSystem
import ObjectStoreServers
import SystemPackage
import TestSupport
import Testing

/// A bucket of a server, shown at a mount point as a person does it: `alluxio-fuse mount s3://…`.
final class MountedBucket: Sendable {
  let folder: TemporaryDirectory
  let path: String
  let server: PidFD
  private let output: Pipe

  /// Returns when requests are served.
  /// - Throws: ECONNREFUSED when it ended instead.
  init(
    _ source: String, _ options: [String], environment: [String] = [], in folder: TemporaryDirectory? = nil
  ) throws {
    let folder = try folder ?? TemporaryDirectory("bucket")
    self.folder = folder
    path = folder.appending("mount")
    try Folder.make(path)
    var pipe = try Pipe()
    var spawn = Spawn(
      executable: try builtProduct("alluxio-fuse"),
      arguments: ["alluxio-fuse", "mount", source, path] + options.flatMap { ["-o", $0] },
      environment: ["PATH=/usr/bin:/bin", "TMPDIR=\(folder.path)", "AWS_EC2_METADATA_DISABLED=true"] + environment)
    spawn.descriptors[1] = pipe.writerNumber
    server = try spawn.start()
    pipe.closeWriter()
    output = pipe
    guard try !output.reader.descriptor.read(upTo: 4096).isEmpty else { throw Errno.connectionRefused }
  }

  deinit {
    try? server.signal(SIGINT)
    do throws(Errno) { _ = try Waiting.untilEnded(server) } catch {
      try? Mount.unmount(path, flags: [.detach, .force])
      try? server.signal(SIGKILL)
    }
  }

  /// Ends it as Ctrl-C does. - Returns: how it ended and what it printed since the mount.
  func unmount() throws -> (exit: ProcessExit?, output: String) {
    try server.signal(SIGINT)
    let exit = try Waiting.untilEnded(server)
    return (exit, String(decoding: try output.reader.descriptor.readToEnd(), as: UTF8.self))
  }

  func at(_ name: String) -> String { "\(path)/\(name)" }
}

@Suite("alluxio-fuse on object stores", .serialized)
struct ObjectMountTests {
  private static let id = "AKIAIOSFODNN7EXAMPLE"
  private static let secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXA"
  private static let pair = ["AWS_ACCESS_KEY_ID=\(id)", "AWS_SECRET_ACCESS_KEY=\(secret)"]

  /// A moto server with a bucket of that name.
  private func moto(_ bucket: String = "bucket") throws -> ServerProcess {
    let server = try ServerProcess.moto()
    let made = try HTTPClient().perform(
      HTTPRequest(method: "PUT", url: "\(server.url)/\(bucket)"), bodyLimit: 65_536)
    #expect(made.head.status == 200)
    return server
  }

  /// A rclone server with a bucket of that name, which is a folder.
  private func rclone(_ folder: TemporaryDirectory, _ bucket: String = "bucket") throws -> ServerProcess {
    try folder.makeDirectory("served")
    try folder.makeDirectory("served/\(bucket)")
    return try .rclone(folder: folder.appending("served"), accessKey: Self.id, secretKey: Self.secret)
  }

  private static let letters = (0..<(5 << 20) + 123).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

  @Test("files are written, read back, listed, renamed and removed", .requiresFuse, arguments: ["moto", "rclone"])
  func life(kind: String) throws {
    let folder = try TemporaryDirectory("bucket")
    let server = kind == "moto" ? try moto() : try rclone(folder)
    let mounted = try MountedBucket(
      "s3://bucket/data", ["endpoint=\(server.url),region=us-east-1", "path-style"], environment: Self.pair, in: folder)
    #expect(try Files.list(mounted.path) == [])
    try Files.write("hello", mounted.at("small"))
    #expect(try Files.read(mounted.at("small")) == "hello")
    // rclone keeps an empty object with a slash at its end as a file without it.
    let directory = kind == "moto" ? "d" : "."
    if kind == "moto" { try Files.makeDirectory(mounted.at("d")) }
    let large = try Files.open(mounted.at("\(directory)/large"), O_WRONLY | O_CREAT)
    try large.writeAll(Self.letters)
    try large.close()
    #expect(try WholeFile.read(mounted.at("\(directory)/large")) == Self.letters)
    #expect(try Files.status(mounted.at("\(directory)/large")).st_size == Self.letters.count)
    #expect(try Files.list(mounted.path).sorted() == (kind == "moto" ? ["d", "small"] : ["large", "small"]))
    try Files.rename(mounted.at("small"), mounted.at("\(directory)/moved"))
    #expect(try Files.read(mounted.at("\(directory)/moved")) == "hello")
    try Files.remove(mounted.at("\(directory)/moved"))
    #expect(try Files.list(mounted.at(directory)) == ["large"])
    let (exit, output) = try mounted.unmount()
    #expect(exit == .exited(code: 0))
    #expect(output.contains("from the store") && output.contains("requests, 0 of them failed"), "\(output)")
    // What is there for the next mount is in the store, and nothing is left on the disk.
    #expect(try DirectoryNames.list(folder.path).filter { $0.hasPrefix("alluxio-fuse") } == [])
    #expect(try Files.list(mounted.path) == [])
  }

  @Test("who has a file open reads what is written to it meanwhile, before and after it is closed", .requiresFuse)
  func writtenWhileRead() throws {
    let server = try moto()
    let mounted = try MountedBucket("s3://bucket", ["endpoint=\(server.url)"], environment: Self.pair)
    try Files.write("first version", mounted.at("f"))
    let reader = try Files.open(mounted.at("f"), O_RDONLY)
    #expect(try Files.readAt(reader, 100, 0) == "first version")
    let writer = try Files.open(mounted.at("f"), O_RDWR)
    try Files.writeAt(writer, "other", 0)
    #expect(try Files.readAt(reader, 100, 0) == "other version")
    try writer.close()
    #expect(try Files.readAt(reader, 100, 0) == "other version")
    try Files.rename(mounted.at("f"), mounted.at("g"))
    #expect(try Files.readAt(reader, 5, 6) == "versi")
  }

  @Test("pages stay in the cache from one mount to the next, and one mount at a time has it", .requiresFuse)
  func cache() throws {
    let server = try moto()
    let cache = try TemporaryDirectory("cache")
    let options = ["endpoint=\(server.url),cache=\(cache.path)", "cache-size=1Gi,page-size=256Ki"]
    do {
      let mounted = try MountedBucket("s3://bucket", options, environment: Self.pair)
      let large = try Files.open(mounted.at("large"), O_WRONLY | O_CREAT)
      try large.writeAll(Self.letters)
      try large.close()
      #expect(try WholeFile.read(mounted.at("large")) == Self.letters)
      #expect(throws: Errno.connectionRefused) {
        try MountedBucket("s3://bucket", options, environment: Self.pair)
      }
      #expect(try mounted.unmount().exit == .exited(code: 0))
    }
    let mounted = try MountedBucket("s3://bucket", options, environment: Self.pair)
    #expect(try WholeFile.read(mounted.at("large")) == Self.letters)
    let output = try mounted.unmount().output
    #expect(output.hasPrefix("0 B from the store, 5.0 MiB from the cache"), "\(output)")
  }

  @Test("what a mount has whole in its cache is read by the kernel in the next one, if asked", .requiresFuse)
  func cachePassthrough() throws {
    let server = try moto()
    let cache = try TemporaryDirectory("cache")
    let options = ["endpoint=\(server.url),cache=\(cache.path)", "cache-passthrough"]
    do {
      let mounted = try MountedBucket("s3://bucket", options, environment: Self.pair)
      let large = try Files.open(mounted.at("large"), O_WRONLY | O_CREAT)
      try large.writeAll(Self.letters)
      try large.close()
      #expect(try WholeFile.read(mounted.at("large")) == Self.letters)
      #expect(try mounted.unmount().exit == .exited(code: 0))
    }
    // Its opens ask for the copy, which the unmount does not wait for.
    var output = ""
    let limit = Deadline.after(.patient)
    repeat {
      let mounted = try MountedBucket("s3://bucket", options, environment: Self.pair)
      #expect(try WholeFile.read(mounted.at("large")) == Self.letters)
      output = try mounted.unmount().output
    } while !output.hasPrefix("0 B from the store, 0 B from the cache") && !limit.hasPassed
    #expect(output.hasPrefix("0 B from the store, 0 B from the cache"), "\(output)")
  }

  @Test("what is wrong with the store is said in one line, and nothing stays mounted", .requiresFuse)
  func problems() throws {
    let folder = try TemporaryDirectory("bucket")
    let server = try rclone(folder)
    let command = "'\(try builtProduct("alluxio-fuse"))' mount"
    let variables = [
      "PATH=/usr/bin", "TMPDIR='\(folder.path)'", "AWS_EC2_METADATA_DISABLED=true",
      "LD_LIBRARY_PATH=/opt/swift/usr/lib/swift/linux",
    ].joined(separator: " ")
    let point = try folder.makeDirectory("point")
    let pair = Self.pair.joined(separator: " ")
    let endpoint = "endpoint=\(server.url)"
    let cases = [
      ("s3://absent -o \(endpoint)", pair, "there is no bucket absent"),
      ("s3://bucket -o \(endpoint)", Self.pair[0] + " AWS_SECRET_ACCESS_KEY=anotherSecretKeyOfTheLength", "signature"),
      ("s3://bucket -o \(endpoint)", "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7ANOTHER AWS_SECRET_ACCESS_KEY=x", "access key"),
      ("s3://bucket -o endpoint=http://127.0.0.1:1", pair, "cannot be reached"),
      ("s3://bucket -o \(endpoint),page-size=3000", pair, "power of two"),
      ("s3://bucket -o \(endpoint),cache=relative", pair, "absolute path"),
      ("s3://bucket -o endpoint=http://a@b", pair, "alluxio.underfs.s3.endpoint"),
      ("oss://bucket", pair, "fs.oss.endpoint"),
      ("file:///tmp -o \(endpoint)", pair, "a mount option"),
    ]
    for (arguments, environment, expected) in cases {
      let split = arguments.split(separator: " ", maxSplits: 1)
      let rest = split.count == 2 ? String(split[1]) : ""
      let result = try Program.shell(
        "env -i \(variables) \(environment) \(command) \(split[0]) '\(point)' \(rest)")
      #expect(result.status == 1 && result.output.contains(expected), "\(arguments): \(result.output)")
      #expect(result.output.split(separator: "\n").count == 1, "\(result.output)")
      #expect(!result.output.contains("anotherSecretKey") && !result.output.contains("ANOTHER"))
    }
    #expect(try MountTable.read().beneath(folder.path).isEmpty)
    #expect(try DirectoryNames.list(folder.path).sorted() == ["point", "served"])
  }
}
