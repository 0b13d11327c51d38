import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

/// What depends on who asks. The kernel's own permission checks are not part of this: the worker sits behind them.
@Suite("ownership and modes", .requiresRoot)
struct OwnershipTests {
  @Test("new objects belong to who made them", arguments: [true, false])
  func owners(useHandles: Bool) throws {
    let volume = try Volume(useHandles: useHandles)
    let files = volume.files
    let user = caller(1000, 1001)
    let file = try files.makeFile("f", caller: user)
    let directory = try files.makeDirectory("d", in: rootNode, mode: 0o777, caller: user)
    let link = try files.makeSymlink("s", in: rootNode, target: [0x61], caller: user)
    let pipe = try files.makeNode("p", in: rootNode, mode: S_IFIFO | 0o666, device: 0, caller: user)
    for entry in [file, directory, link, pipe] {
      #expect(entry.attributes.uid == 1000)
      #expect(entry.attributes.gid == 1001)
    }
    #expect(directory.attributes.mode == 0o040755)
    #expect(pipe.attributes.mode == S_IFIFO | 0o644)
    // And the worker is itself again.
    #expect(try files.makeFile("r").attributes.uid == 0)
    withExtendedLifetime(volume) {}
  }

  @Test("the caller's umask applies where no default ACL does")
  func umasks() async throws {
    // The last one stays with the thread, which is no other test's.
    try await OwnThread.run {
      let volume = try Volume()
      let files = volume.files
      for (index, mask) in [UInt32(0), 0o002, 0o022, 0o077, 0o777].enumerated() {
        let name = FileName(bytes: "f\(index)".utf8)
        let entry = try files.makeFile(name, mode: 0o666, caller: caller(1000, 1000, umask: mask))
        #expect(entry.attributes.mode & 0o7777 == 0o666 & ~mask)
      }
      withExtendedLifetime(volume) {}
    }
  }

  @Test("in a setgid directory new objects get its group, and directories its bit")
  func setgidDirectory() throws {
    let volume = try Volume()
    let files = volume.files
    let parent = try files.makeDirectory("d", in: rootNode, mode: 0o777, caller: caller(0, 0, umask: 0))
    var change = AttributeChange()
    change.gid = 2000
    _ = try files.setAttributes(change, of: parent.node, caller: rootCaller)
    change = AttributeChange()
    change.mode = 0o2777
    _ = try files.setAttributes(change, of: parent.node, caller: rootCaller)
    let user = caller(1000, 1000)
    let file = try files.makeFile("f", in: parent.node, caller: user)
    #expect(file.attributes.gid == 2000)
    #expect(file.attributes.uid == 1000)
    let directory = try files.makeDirectory("d", in: parent.node, mode: 0o755, caller: user)
    #expect(directory.attributes.gid == 2000)
    #expect(directory.attributes.mode & 0o7777 == 0o2755)
    // A setgid program for a group that the caller is not in is refused the bit, as on ext4.
    let program = try files.makeFile("p", in: parent.node, mode: 0o2755, caller: user)
    #expect(program.attributes.mode & 0o7777 == 0o755)
    withExtendedLifetime(volume) {}
  }

  @Test("a directory that only a supplementary group may write is written by its members")
  func supplementaryGroups() async throws {
    let volume = try Volume()
    let files = volume.files
    let parent = try files.makeDirectory("d", in: rootNode, mode: 0o770, caller: caller(0, 0, umask: 0))
    var change = AttributeChange()
    change.gid = 3000
    _ = try files.setAttributes(change, of: parent.node, caller: rootCaller)
    let member = try GroupMember(groups: [3000, 3001])
    let entry = try files.makeFile("f", in: parent.node, caller: caller(1000, 1000, pid: member.pid))
    #expect(entry.attributes.uid == 1000)
    #expect(entry.attributes.gid == 1000)
    let stranger = try GroupMember(groups: [3001])
    #expect(throws: Errno.permissionDenied) {
      try files.makeFile("g", in: parent.node, caller: caller(1000, 1000, pid: stranger.pid))
    }
    // Not visible from the worker's PID namespace: the kernel's check has to do.
    let unseen = try files.makeFile("h", in: parent.node, caller: caller(1000, 1000, pid: 0))
    #expect(unseen.attributes.uid == 1000)
    #expect(unseen.attributes.gid == 1000)
    withExtendedLifetime(volume) {}
  }

  @Test("default ACLs replace the umask and are inherited")
  func defaultACL() throws {
    let volume = try Volume()
    let files = volume.files
    let parent = try files.makeDirectory("d", in: rootNode, mode: 0o777, caller: caller(0, 0, umask: 0))
    let acl = ACL([(.userObject, 7), (.user(1234), 6), (.groupObject, 7), (.mask, 7), (.other, 4)])
    try files.setExtendedAttribute(
      "system.posix_acl_default", of: parent.node, to: acl.bytes, flags: [], caller: rootCaller)
    let file = try files.makeFile("f", in: parent.node, mode: 0o666, caller: caller(1000, 1000, umask: 0o077))
    #expect(file.attributes.mode & 0o777 == 0o664)
    let inherited = try files.extendedAttribute("system.posix_acl_access", of: file.node)
    #expect(inherited.count == acl.bytes.count)
    let directory = try files.makeDirectory("s", in: parent.node, mode: 0o777, caller: caller(1000, 1000))
    #expect(try files.extendedAttribute("system.posix_acl_default", of: directory.node) == acl.bytes)
    let names = try files.extendedAttributeNames(of: directory.node)
    #expect(String(decoding: names, as: UTF8.self).contains("system.posix_acl_default\0"))
    withExtendedLifetime(volume) {}
  }

  @Test("an ACL set by somebody outside the file's group takes its setgid bit")
  func aclClearsSetgid() throws {
    let volume = try Volume()
    let files = volume.files
    let file = try files.makeFile("f", caller: caller(1000, 1000))
    var change = AttributeChange()
    change.gid = 3000
    _ = try files.setAttributes(change, of: file.node, caller: rootCaller)
    change = AttributeChange()
    change.mode = 0o2755
    _ = try files.setAttributes(change, of: file.node, caller: rootCaller)
    let acl = ACL([(.userObject, 7), (.groupObject, 5), (.other, 5)])
    let member = try GroupMember(groups: [3000])
    try files.setExtendedAttribute(
      "system.posix_acl_access", of: file.node, to: acl.bytes, flags: [],
      caller: caller(1000, 1000, pid: member.pid))
    #expect(try files.getAttributes(of: file.node).attributes.mode & 0o7777 == 0o2755)
    let stranger = try GroupMember(groups: [])
    try files.setExtendedAttribute(
      "system.posix_acl_access", of: file.node, to: acl.bytes, flags: [],
      caller: caller(1000, 1000, pid: stranger.pid))
    #expect(try files.getAttributes(of: file.node).attributes.mode & 0o7777 == 0o755)
    withExtendedLifetime(volume) {}
  }

  @Test("a write, a truncation and a change of owner clear setuid and setgid when the kernel asks for it")
  func setuidClearing() throws {
    let volume = try Volume()
    let files = volume.files
    let file = try files.makeFile("f", Array("program".utf8), mode: 0o755)
    func mark(_ mode: UInt32 = 0o6755) throws {
      var change = AttributeChange()
      change.mode = mode
      let reply = try files.setAttributes(change, of: file.node, caller: rootCaller)
      #expect(reply.attributes.mode & 0o7777 == mode)
    }
    func mode() throws -> UInt32 { try files.getAttributes(of: file.node).attributes.mode & 0o7777 }
    let user = caller(1000, 1000)
    let open = try files.open(file.node, flags: O_RDWR, caller: user)
    try mark()
    _ = try files.write(file.node, open.handle, [1])
    #expect(try mode() == 0o6755)
    #expect(try files.clearSetIDBits(of: file.node, caller: user, isDemanded: true))
    #expect(try mode() == 0o755)
    // Without group execution setgid once meant locking: it stays.
    try mark(0o6745)
    #expect(try files.clearSetIDBits(of: file.node, caller: user, isDemanded: true))
    #expect(try mode() == 0o2745)
    try mark()
    var truncation = AttributeChange()
    truncation.size = 3
    truncation.killPrivileges = true
    _ = try files.setAttributes(truncation, of: file.node, caller: user)
    #expect(try mode() == 0o755)
    try mark()
    _ = try files.setAttributes(truncation, of: file.node, handle: open.handle, caller: user)
    #expect(try mode() == 0o755)
    try mark()
    #expect(try files.clearSetIDBits(of: file.node, caller: user, isDemanded: false))
    #expect(try mode() == 0o755)
    try mark()
    var owner = AttributeChange()
    owner.uid = 1000
    _ = try files.setAttributes(owner, of: file.node, caller: rootCaller)
    #expect(try mode() == 0o755)
    files.release(file.node, handle: open.handle)
    withExtendedLifetime(volume) {}
  }

  @Test("an existing file that a creation meets is opened with the caller's rights alone")
  func createMeetsExisting() throws {
    let volume = try Volume()
    let files = volume.files
    let file = try files.makeFile("secret", Array("secret".utf8), mode: 0o600)
    #expect(throws: Errno.permissionDenied) {
      try files.create("secret", in: rootNode, mode: 0o644, flags: O_RDWR, caller: caller(1000, 1000))
    }
    #expect(throws: Errno.fileExists) {
      try files.create("secret", in: rootNode, mode: 0o644, flags: O_RDWR | O_EXCL, caller: rootCaller)
    }
    let (entry, open) = try files.create(
      "secret", in: rootNode, mode: 0o644, flags: O_RDWR | O_TRUNC, caller: rootCaller)
    #expect(entry.node == file.node)
    #expect(entry.attributes.size == 0)
    files.release(entry.node, handle: open.handle)
    withExtendedLifetime(volume) {}
  }

  @Test("fixed owners, masks and the mount's group are shown, and given to what is created")
  func overrides() throws {
    var options = WorkerOptions()
    options.uid = 500
    options.mountGroup = 600
    options.umask = 0o007
    let volume = try Volume(options: options)
    let files = volume.files
    let file = try files.makeFile("f", mode: 0o644, caller: caller(1000, 1000))
    #expect(file.attributes.uid == 500)
    #expect(file.attributes.gid == 600)
    #expect(file.attributes.mode & 0o777 == 0o660)
    let stored = try Descriptor.open(volume.path("f"), O_RDONLY).status()
    #expect(stored.uid == 500)
    #expect(stored.gid == 600)
    #expect(stored.mode & 0o777 == 0o644)
    var change = AttributeChange()
    change.uid = 0
    #expect(throws: Errno.notPermitted) { try files.setAttributes(change, of: file.node, caller: rootCaller) }
    change.uid = 500
    _ = try files.setAttributes(change, of: file.node, caller: rootCaller)
    #expect(throws: Errno.noData) { try files.extendedAttribute("system.posix_acl_access", of: file.node) }
    withExtendedLifetime(volume) {}
  }

  @Test("a read-only volume refuses every change with EROFS and still reads")
  func readOnly() throws {
    var options = WorkerOptions()
    let volume = try Volume()
    let files = volume.files
    let file = try files.makeFile("f", Array("x".utf8))
    options.readOnly = true
    files.update(options)
    #expect(try files.content(file.node) == Array("x".utf8))
    let error = Errno.readOnlyFileSystem
    #expect(throws: error) { try files.makeFile("g") }
    #expect(throws: error) { try files.makeDirectory("g", in: rootNode, mode: 0o755, caller: rootCaller) }
    #expect(throws: error) { try files.makeSymlink("g", in: rootNode, target: [1], caller: rootCaller) }
    #expect(throws: error) { try files.link(file.node, as: "g", in: rootNode, caller: rootCaller) }
    #expect(throws: error) { try files.unlink("f", in: rootNode, caller: rootCaller) }
    #expect(throws: error) {
      try files.rename("f", in: rootNode, to: "g", in: rootNode, flags: [], caller: rootCaller)
    }
    #expect(throws: error) { try files.open(file.node, flags: O_WRONLY, caller: rootCaller) }
    #expect(throws: error) { try files.setAttributes(AttributeChange(), of: file.node, caller: rootCaller) }
    #expect(throws: error) {
      try files.setExtendedAttribute("user.a", of: file.node, to: [1], flags: [], caller: rootCaller)
    }
    #expect(throws: error) { try files.removeExtendedAttribute("user.a", of: file.node, caller: rootCaller) }
    withExtendedLifetime(volume) {}
  }
}
