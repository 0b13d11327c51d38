import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("Messages and descriptors over a unix socket")
struct SeqpacketTests {
  @Test("messages keep their boundaries and their order")
  func boundaries() throws {
    let (a, b) = try SeqpacketSocket.pair()
    try a.send([1, 2, 3])
    try a.send([4])
    #expect(try b.receive(maxBytes: 100)?.bytes == [1, 2, 3])
    #expect(try b.receive(maxBytes: 100)?.bytes == [4])
  }

  @Test("descriptors arrive as new ones of the same files, CLOEXEC")
  func descriptors() throws {
    let (a, b) = try SeqpacketSocket.pair()
    let files = try (0..<3).map { try Memfd.sealed(name: "n", bytes: [UInt8($0)]).release() }
    defer { for file in files { close(file) } }
    try a.send([9], descriptors: files)
    let message = try #require(try b.receive(maxBytes: 10, maxDescriptors: 3))
    #expect(message.bytes == [9])
    #expect(message.descriptors.count == 3)
    for (index, descriptor) in message.descriptors.enumerated() {
      #expect(try Memfd.contents(of: descriptor.descriptor) == [UInt8(index)])
      #expect(!files.contains(descriptor.rawValue))
      #expect(fcntl(descriptor.rawValue, F_GETFD) & FD_CLOEXEC != 0)
    }
  }

  @Test("as many descriptors as the kernel allows pass in one message, and one more is refused")
  func manyDescriptors() throws {
    let (a, b) = try SeqpacketSocket.pair()
    let event = try EventFD()
    let most = [CInt](repeating: event.rawValue, count: SeqpacketSocket.maximumDescriptors)
    try a.send([1], descriptors: most)
    #expect(try b.receive(maxBytes: 1, maxDescriptors: most.count)?.descriptors.count == most.count)
    #expect(throws: Errno.invalidArgument) { try a.send([1], descriptors: most + [event.rawValue]) }
  }

  @Test("a message with more descriptors than wanted is refused and its descriptors are closed")
  func unwantedDescriptors() throws {
    let (a, b) = try SeqpacketSocket.pair()
    var pipe = try Pipe()
    try a.send([1], descriptors: [pipe.writerNumber, pipe.writerNumber])
    pipe.closeWriter()
    #expect(try !pipe.reader.descriptor.isReadable(), "the message holds the pipe open")
    #expect(throws: Errno.messageTooLong) { try b.receive(maxBytes: 10, maxDescriptors: 1) }
    #expect(try pipe.reader.descriptor.isReadable(), "all copies are closed")
  }

  @Test("a message that is longer than wanted is refused, not cut, and its descriptors are closed")
  func truncation() throws {
    let (a, b) = try SeqpacketSocket.pair()
    let event = try EventFD()
    try a.send([1, 2, 3, 4], descriptors: [event.rawValue])
    try a.send([5])
    #expect(throws: Errno.messageTooLong) { try b.receive(maxBytes: 3, maxDescriptors: 1) }
    #expect(try b.receive(maxBytes: 3)?.bytes == [5])
  }

  @Test("the end of the other side is told apart from an empty message, which cannot be sent")
  func end() throws {
    let (a, b) = try SeqpacketSocket.pair()
    #expect(throws: Errno.invalidArgument) { try a.send([]) }
    try a.finishSending()
    #expect(try b.receive(maxBytes: 1) == nil)
    try b.send([1])
    #expect(try a.receive(maxBytes: 1)?.bytes == [1])
  }

  @Test("sending to a closed side fails and raises no signal")
  func brokenPipe() throws {
    let (a, peer) = try SeqpacketSocket.pair()
    var b: SeqpacketSocket? = peer
    _ = consume peer
    #expect(b != nil)
    b = nil
    #expect(throws: Errno.brokenPipe) { try a.send([1]) }
  }

  @Test("a non-blocking socket says that it would block, both ways")
  func nonBlocking() throws {
    let (a, b) = try SeqpacketSocket.pair()
    try a.descriptor.setNonBlocking(true)
    try b.descriptor.setNonBlocking(true)
    #expect(throws: Errno.wouldBlock) { try b.receive(maxBytes: 1) }
    #expect(throws: Errno.wouldBlock) {
      while true { try a.send([UInt8](repeating: 0, count: 10_000)) }
    }
  }

  @Test("a larger send buffer carries larger messages", .requiresRoot)
  func largeMessage() throws {
    let (a, b) = try SeqpacketSocket.pair()
    let large = [UInt8](repeating: 7, count: 1 << 20)
    #expect(throws: Errno.messageTooLong) { try a.send(large) }
    try a.setSendBuffer(byteCount: 4 << 20)
    try a.send(large)
    #expect(try b.receive(maxBytes: 1 << 20)?.bytes.count == 1 << 20)
  }

  @Test("both sides know who the other is")
  func credentials() throws {
    let folder = try TemporaryDirectory("socket")
    let listener = try SeqpacketListener(path: folder.appending("s"))
    let client = try SeqpacketSocket.connect(to: listener.path)
    let server = try listener.accept()
    for side in [client, server] {
      let peer = try side.peerCredentials()
      #expect(peer.pid == getpid())
      #expect(peer.uid == geteuid())
      #expect(peer.gid == getegid())
    }
    try client.send([1])
    #expect(try server.receive(maxBytes: 1)?.bytes == [1])
  }

  @Test("the socket is for its owner only")
  func mode() throws {
    let folder = try TemporaryDirectory("socket")
    let listener = try SeqpacketListener(path: folder.appending("s"))
    var status = stat()
    try Syscall.once { lstat(listener.path, &status) }
    #expect(status.st_mode & 0o777 == 0o600)
    #expect(status.st_mode & S_IFMT == S_IFSOCK)
  }

  @Test("a second server on the same socket is refused, and the first goes on")
  func secondServer() throws {
    let folder = try TemporaryDirectory("socket")
    let listener = try SeqpacketListener(path: folder.appending("s"))
    #expect(throws: Errno.addressInUse) { _ = try SeqpacketListener(path: listener.path) }
    #expect(FileLock.owner(ofLockAt: listener.path + ".lock") == getpid())
    _ = try SeqpacketSocket.connect(to: listener.path)
  }

  @Test("a socket that a dead server left is replaced")
  func staleSocket() async throws {
    let folder = try TemporaryDirectory("socket")
    let path = folder.appending("s")
    // In a process of its own: children that other tests start meanwhile hold copies of our descriptors until they exec.
    await #expect(processExitsWith: .success) { [path = path as String] in
      let server = try SeqpacketListener(path: path)
      _ = try SeqpacketSocket.connect(to: server.path)
    }
    #expect(throws: Errno.connectionRefused) { _ = try SeqpacketSocket.connect(to: path) }
    let second = try SeqpacketListener(path: path)
    _ = try SeqpacketSocket.connect(to: path)
    second.removePath()
    #expect(throws: Errno.noSuchFileOrDirectory) { _ = try SeqpacketSocket.connect(to: path) }
  }

  @Test("a path that no socket address holds is refused with its reason")
  func longPath() throws {
    let folder = try TemporaryDirectory("socket")
    let path = folder.appending(String(repeating: "x", count: 120))
    #expect(throws: Errno.fileNameTooLong) { _ = try SeqpacketListener(path: path) }
    #expect(throws: Errno.fileNameTooLong) { _ = try SeqpacketSocket.connect(to: path) }
    #expect(throws: Errno.invalidArgument) { _ = try SeqpacketSocket.connect(to: "") }
    #expect(throws: Errno.invalidArgument) { _ = try SeqpacketSocket.connect(to: "a\0b") }
  }

  @Test("a non-blocking listener with nobody waiting says so")
  func nobody() throws {
    let folder = try TemporaryDirectory("socket")
    let listener = try SeqpacketListener(path: folder.appending("s"))
    try listener.descriptor.setNonBlocking(true)
    #expect(throws: Errno.wouldBlock) { _ = try listener.accept() }
  }
}
