import CFuse
import CLinux
import Glibc
import LinuxSystem
import SystemPackage
import Testing
import UnderFileSystem

@testable import Fuse

@Suite("Values as libfuse takes them")
struct WireTests {
  @Test(
    "times become seconds and nanoseconds that are never negative, and back",
    arguments: [
      (0, 0, 0), (1, 0, 1), (-1, -1, 999_999_999), (-1_000_000_000, -1, 0), (-1_000_000_001, -2, 999_999_999),
      (1_500_000_000, 1, 500_000_000), (.max, 9_223_372_036, 854_775_807),
    ] as [(Int64, Int, Int)])
  func times(nanoseconds: Int64, seconds: Int, rest: Int) {
    let time = Wire.time(nanoseconds)
    #expect(time.tv_sec == seconds && time.tv_nsec == rest)
    #expect(Wire.nanoseconds(time) == nanoseconds)
  }

  @Test("years beyond the range of 64 bits of nanoseconds saturate")
  func saturates() {
    #expect(Wire.nanoseconds(timespec(tv_sec: 1 << 40, tv_nsec: 0)) == .max)
    #expect(Wire.nanoseconds(timespec(tv_sec: -(1 << 40), tv_nsec: 0)) == .min)
    #expect(Wire.nanoseconds(timespec(tv_sec: 9_223_372_036, tv_nsec: 999_999_999)) == .max)
  }

  @Test("all attributes arrive")
  func status() {
    let attributes = Attributes(
      inode: 7, mode: 0o100644, linkCount: 2, uid: 3, gid: 4, device: 5, size: 1 << 40, blockSize: 512, blocks: 6,
      accessTime: 1, modificationTime: 2_000_000_003, changeTime: -1)
    let status = Wire.status(attributes)
    #expect(status.st_ino == 7 && status.st_mode == 0o100644 && status.st_nlink == 2)
    #expect(status.st_uid == 3 && status.st_gid == 4 && status.st_rdev == 5)
    #expect(status.st_size == 1 << 40 && status.st_blksize == 512 && status.st_blocks == 6)
    #expect(status.st_mtim.tv_sec == 2 && status.st_mtim.tv_nsec == 3 && status.st_ctim.tv_sec == -1)
  }

  @Test("the kernel is never told ENOSYS, a success or a number that is no errno")
  func answers() {
    #expect(Errno.noFunction.answer == EOPNOTSUPP)
    #expect(
      Errno(rawValue: 0).answer == EIO && Errno(rawValue: 4096).answer == EIO && Errno(rawValue: -5).answer == EIO)
    #expect(Errno.noSuchFileOrDirectory.answer == ENOENT)
  }

  @Test("of SETATTR counts what the kernel says counts")
  func attributeChange() throws {
    var values = stat()
    values.st_mode = 0o104755
    values.st_size = 9
    values.st_uid = 1
    values.st_mtim = timespec(tv_sec: 3, tv_nsec: 0)
    let valid =
      FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW
    let change = try AttributeChange(&values, valid: valid, killPrivileges: true)
    #expect(change.mode == 0o4755 && change.size == 9 && change.uid == nil && change.gid == nil)
    #expect(change.modificationTime == .at(3_000_000_000) && change.accessTime == .now && change.killPrivileges)
    #expect(throws: Errno.invalidArgument) { _ = try AttributeChange(nil, valid: 0, killPrivileges: false) }
  }

  @Test("the bits that libfuse hides are read from the request")
  func hiddenBits() throws {
    let buffer = try RequestBuffer()
    let body = MemoryLayout<fuse_in_header>.size
    func put(_ opcode: UInt32, word: UInt32, at offset: Int) {
      memset(buffer.request, 0, 256)
      buffer.request.storeBytes(of: opcode, toByteOffset: 4, as: UInt32.self)
      buffer.request.storeBytes(of: UInt64(9) | 1 << 63, toByteOffset: 8, as: UInt64.self)
      buffer.request.storeBytes(of: word, toByteOffset: body + offset, as: UInt32.self)
      buffer.inspect(byteCount: 256)
    }
    put(4, word: 1 << 11 | 1 << 3, at: 0)
    #expect(buffer.killsPrivileges && buffer.opcode == 4 && buffer.unique & ~CFUSE_UNIQUE_RESEND == 9)
    put(4, word: 1 << 3, at: 0)
    #expect(!buffer.killsPrivileges)
    put(16, word: 1 << 2, at: 20)
    #expect(buffer.killsPrivileges)
    put(16, word: 1 << 1, at: 20)
    #expect(!buffer.killsPrivileges)
    put(4, word: 1 << 11, at: 0)
    buffer.inspect(byteCount: body + 4)
    #expect(!buffer.killsPrivileges)
  }

  @Test("a listing takes entries until one does not fit")
  func listing() throws {
    let buffer = try RequestBuffer()
    var listing = try DirectoryListing(buffer, size: 64)
    let name: [UInt8] = Array("abc".utf8) + [0]
    let first = listing.add(name.span, inode: 5, type: 8, cookie: 77)
    #expect(first && listing.count == 32)
    #expect(buffer.answer.load(as: UInt64.self) == 5 && buffer.answer.load(fromByteOffset: 8, as: UInt64.self) == 77)
    let second = listing.add(name.span, inode: 6, type: 8, cookie: 78)
    let third = listing.add(name.span, inode: 7, type: 8, cookie: 79)
    #expect(second && !third && listing.count == 64)
    #expect(throws: Errno.invalidArgument) { _ = try DirectoryListing(buffer, size: Int(FuseInitReply.maxWrite) + 1) }
  }
}
