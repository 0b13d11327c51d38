import Testing
import VolumeModel

@Suite("Mount options")
struct MountFlagsTests {
  @Test("what Alluxio's charts and common StorageClasses pass is taken")
  func charts() throws {
    let flags = try MountFlags([
      "allow_other", "kernel_cache", "entry_timeout=60", "attr_timeout=30", "max_background=128",
      "max_idle_threads=128",
      "ro", "noatime", "noexec",
    ])
    #expect(flags.readOnly)
    #expect(flags.noExec)
    #expect(flags.accessTime == .noatime)
    var options = WorkerOptions()
    try flags.apply(to: &options)
    #expect(options.entryTimeoutMilliseconds == 60_000)
    #expect(options.attributeTimeoutMilliseconds == 30_000)
    #expect(options.readOnly)
  }

  @Test("options joined by commas are several, and none is none")
  func commas() throws {
    #expect(try MountFlags(["ro,noexec,readAhead=2Mi"]).values == ["readAhead": "2Mi"])
    #expect(try MountFlags([]) == MountFlags([""]))
  }

  @Test(
    "what could leave the volume or change its user is refused",
    arguments: [
      "suid", "dev", "exec", "remount", "bind", "rbind", "move", "uid=0", "gid=0", "umask=0", "user_id=0", "group_id=0",
      "fd=3", "rootmode=40000", "user", "subdir=x", "context=system_u", "ro,suid", "shared", "auto_unmount",
      "path=file:///etc",
      "fsname=x",
    ])
  func dangerous(flag: String) {
    let error = #expect(throws: VolumeContextError.self) { try MountFlags([flag]) }
    #expect(error?.description.contains("refused") == true)
  }

  @Test(
    "an unknown option is refused without being repeated, as it may be sensitive",
    arguments: [
      "password=canary-77", "canary-77", "provisioning=canary-77", "attrTimeout", "=canary-77",
      "s3a.secretKey=canary-77",
    ])
  func unknown(flag: String) {
    let error = #expect(throws: VolumeContextError.self) { try MountFlags([flag]) }
    #expect(error?.description.contains("canary") == false)
  }

  @Test(
    "a bad value of a known option is refused", arguments: ["attrTimeout=never", "max_background=many", "readAhead=-1"])
  func badValue(flag: String) {
    #expect(throws: VolumeContextError.self) { try MountFlags([flag]) }
  }

  @Test("properties of object stores may be options, and those of the cache may not")
  func objectStore() throws {
    #expect(try MountFlags(["alluxio.underfs.s3.region=eu"]).values == ["alluxio.underfs.s3.region": "eu"])
    let error = #expect(throws: VolumeContextError.self) { try MountFlags(["pageStoreSize=1Gi"]) }
    #expect(error?.description.contains("alluxio.underfs.s3.endpoint=") == true)
  }
}

@Suite("Directory patterns")
struct DirectoryPatternTests {
  private let metadata = [
    "csi.storage.k8s.io/pvc/name": "claim", "csi.storage.k8s.io/pvc/namespace": "team",
    "csi.storage.k8s.io/pv/name": "pv-1",
  ]

  @Test(
    "variables are replaced, and the id is appended where it is missing",
    arguments: [
      (DirectoryPattern.standard, "team-claim-id-1"), ("${volume.id}", "id-1"), ("fixed", "fixed-id-1"),
      ("${pvc.name}", "claim-id-1"), ("${pv.name}.${volume.id}.d", "pv-1.id-1.d"),
    ])
  func expansion(pattern: String, name: String) throws {
    #expect(try DirectoryPattern(pattern).expand(volumeID: "id-1") { metadata[$0] } == name)
  }

  @Test("two claims that share a pattern never share a directory")
  func shared() throws {
    let pattern = try DirectoryPattern("data")
    #expect(try pattern.expand(volumeID: "a") { _ in nil } != pattern.expand(volumeID: "b") { _ in nil })
  }

  @Test(
    "a pattern that no name can come of is refused",
    arguments: [
      "", "/abs", "a/b", "../x", ".hidden", "${nope}", "$", "${", "$x", "${volume.id", "a\nb",
      String(repeating: "n", count: 300),
    ])
  func refused(pattern: String) {
    #expect(throws: DirectoryPattern.ParseError.self) { try DirectoryPattern(pattern) }
  }

  @Test("a claim's value that would lead elsewhere is refused", arguments: ["a/b", "..", ".x", "../../etc", "x\u{1}"])
  func evilMetadata(value: String) throws {
    let pattern = try DirectoryPattern("${pvc.name}-${volume.id}")
    if value == ".." || value.first == "." || value.contains("/") || value.contains("\u{1}") {
      #expect(throws: DirectoryPattern.ParseError.self) { try pattern.expand(volumeID: "id") { _ in value } }
    }
  }

  @Test("metadata that the provisioner did not send is asked for by its flag")
  func missing() throws {
    let error = #expect(throws: DirectoryPattern.ParseError.self) {
      try DirectoryPattern(DirectoryPattern.standard).expand(volumeID: "id") { _ in nil }
    }
    #expect(error?.description.contains("--extra-create-metadata") == true)
  }
}
