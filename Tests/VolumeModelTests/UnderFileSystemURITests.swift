import Testing
import VolumeModel

@Suite("Paths of under file systems")
struct UnderFileSystemURITests {
  @Test(
    "a file path is normalised",
    arguments: [
      ("file:///data", "/data"), ("file:///data/", "/data"), ("file:////data//a/./b/", "/data/a/b"), ("file:///", "/"),
      ("file:///data/ü", "/data/ü"), ("file:///with space", "/with space"), ("file:///a/..b", "/a/..b"),
    ])
  func file(text: String, path: String) throws {
    let uri = try UnderFileSystemURI(parsing: text)
    #expect(uri.scheme == .file)
    #expect(uri.path == path)
    #expect(uri.description == "file://\(path)")
  }

  @Test(
    "buckets and prefixes are told apart",
    arguments: [
      ("s3://bucket", "bucket", ""), ("s3://bucket/", "bucket", ""), ("s3://my.bucket-1/a//b/", "my.bucket-1", "a/b"),
      ("oss://bucket/prefix", "bucket", "prefix"),
    ])
  func objectStore(text: String, bucket: String, prefix: String) throws {
    let uri = try UnderFileSystemURI(parsing: text)
    #expect(uri.authority == bucket)
    #expect(uri.path == prefix)
  }

  @Test(
    "what is no path of an under file system is refused without being repeated",
    arguments: [
      "", "/data", "data", "http://host/x", "file://host/data", "file://data", "file:/data", "file:///a/../b",
      "file:///..",
      "file:///a\nb", "file:///a\u{7f}", "s3://", "s3://ab", "s3://UPPER/x", "s3://key:secret@bucket/x", "s3:///x",
      "oss://bucket/../x", "FILE:///data", "file:///" + String(repeating: "n", count: 256),
      "file:///" + String(repeating: "long/", count: 1000),
    ])
  func refused(text: String) {
    let error = #expect(throws: UnderFileSystemURI.ParseError.self) { try UnderFileSystemURI(parsing: text) }
    if text.utf8.count > 8 { #expect(error?.description.contains(text) == false) }
  }

  @Test("a slash that a combining mark follows is still a slash, and '..' before it is still '..'")
  func combiningMark() throws {
    #expect(throws: UnderFileSystemURI.ParseError.self) { try UnderFileSystemURI(parsing: "file:///roots/../\u{301}x") }
    #expect(throws: UnderFileSystemURI.ParseError.self) { try UnderFileSystemURI(parsing: "file:///roots/..") }
    let uri = try UnderFileSystemURI(parsing: "file:///a/\u{301}b")
    #expect(PathComponents.split(uri.path).count == 3)
  }

  @Test("appending keeps one slash, at the root and in a bucket too")
  func appending() throws {
    #expect(try UnderFileSystemURI(parsing: "file:///").appending("a").description == "file:///a")
    #expect(try UnderFileSystemURI(parsing: "file:///data").appending("a").description == "file:///data/a")
    #expect(try UnderFileSystemURI(parsing: "s3://bucket").appending("a").description == "s3://bucket/a")
    #expect(try UnderFileSystemURI(parsing: "s3://bucket/p").appending("a").description == "s3://bucket/p/a")
  }
}

@Suite("Target paths")
struct TargetPathTests {
  private let kubelet = "/var/lib/kubelet"

  @Test("a path beneath the kubelet's folder is taken, with or without a slash at its end")
  func taken() throws {
    let path = "/var/lib/kubelet/pods/x/volumes/kubernetes.io~csi/pv/mount"
    #expect(try TargetPath(path, beneath: kubelet).path == path)
    #expect(try TargetPath(path + "/", beneath: kubelet).path == path)
    #expect(try TargetPath("/anything", beneath: "/").path == "/anything")
  }

  @Test(
    "any other is refused",
    arguments: [
      ("", TargetPath.PathError.empty), ("pods/x", .relative), ("/var/lib/kubelet/../x", .notNormal),
      ("/var/lib/kubelet/./x", .notNormal), ("/var/lib/kubelet//x", .notNormal), ("/var/lib/kubelet/x//", .notNormal),
      ("/etc", .outside(kubeletDirectory: "/var/lib/kubelet")), ("/", .outside(kubeletDirectory: "/var/lib/kubelet")),
      ("/var/lib/kubelet", .outside(kubeletDirectory: "/var/lib/kubelet")),
      ("/var/lib/kubelet/", .outside(kubeletDirectory: "/var/lib/kubelet")),
      ("/var/lib/kubelet2/x", .outside(kubeletDirectory: "/var/lib/kubelet")),
      ("/var/lib/kubelet/a/../\u{301}b", .notNormal),
    ])
  func refused(text: String, error: TargetPath.PathError) {
    #expect(throws: error) { try TargetPath(text, beneath: kubelet) }
  }

  @Test("a path longer than the kernel takes is refused")
  func tooLong() {
    let text = kubelet + String(repeating: "/abc", count: 1100)
    #expect(throws: TargetPath.PathError.tooLong(bytes: text.utf8.count)) { try TargetPath(text, beneath: kubelet) }
  }
}

@Suite("Paths on the node")
struct NodePathsTests {
  @Test("every path lies in the state folder, and each worker and target has its own")
  func derived() throws {
    let paths = NodePaths(stateDirectory: "/state", kubeletDirectory: "/kubelet")
    let one = WorkerKey(volumeID: "a")
    let two = WorkerKey(volumeID: "a", mountGroup: "1000")
    #expect(paths.mountPoint(one) != paths.mountPoint(two))
    #expect(paths.mountPoint(one) == "/state/volumes/\(one.name)/mount")
    let target = try TargetPath("/kubelet/pods/x", beneath: "/kubelet")
    #expect(paths.targetRecord(target).hasPrefix("/state/targets/"))
    let name = String(paths.targetRecord(target).dropFirst("/state/targets/".count))
    #expect(NodePaths.isRecordName(name))
    #expect(paths.mounterSocket == "/state/mounter/mounter.sock")
  }

  @Test("foreign files are no records", arguments: ["x.json", ".new-1", "", "0123456789abcdef0123456789abcdeG.json"])
  func foreign(name: String) { #expect(!NodePaths.isRecordName(name)) }
}
