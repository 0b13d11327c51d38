import CFuse
import Glibc
import UnderFileSystem
import VolumeFileSystem

/// Swift values as libfuse takes them.
enum Wire {
  /// Sends one answer; libfuse frees the request. - Returns: 0, or a negative errno when the kernel did not take it.
  static func send(_ reply: Reply, to raw: fuse_req_t, from buffer: RequestBuffer) -> CInt {
    // SAFETY: libfuse copies or writes everything before a call returns; sizes are those of the memory passed.
    switch reply {
    case .done: return fuse_reply_err(raw, 0)
    case .none:
      fuse_reply_none(raw)
      return 0
    case .entry(let entry):
      var parameters = entryParameters(entry)
      return fuse_reply_entry(raw, &parameters)
    case .attributes(let reply):
      var status = status(reply.attributes)
      return fuse_reply_attr(raw, &status, seconds(reply.timeout))
    case .open(_, let open) where open.backing > 0:
      var body = passthroughBody(open)
      return fuse_reply_buf(raw, &body, MemoryLayout.size(ofValue: body))
    case .create(let entry, let open) where open.backing > 0:
      var body = cfuse_create_passthrough()
      body.entry = entryBody(entry)
      body.open = passthroughBody(open)
      return fuse_reply_buf(raw, &body, MemoryLayout.size(ofValue: body))
    case .open(_, let open):
      var information = fileInformation(open)
      return fuse_reply_open(raw, &information)
    case .create(let entry, let open):
      var parameters = entryParameters(entry)
      var information = fileInformation(open)
      return fuse_reply_create(raw, &parameters, &information)
    case .buffered(let count): return fuse_reply_buf(raw, buffer.answer.baseAddress, count)
    case .lent(let bytes): return send(bytes, to: raw)
    case .bytes(let bytes): return bytes.withUnsafeBytes { fuse_reply_buf(raw, $0.baseAddress, $0.count) }
    case .size(let count): return fuse_reply_xattr(raw, count)
    case .written(let count): return fuse_reply_write(raw, count)
    case .offset(let offset): return fuse_reply_lseek(raw, off_t(offset))
    case .link(let target):
      return (target + [0]).withUnsafeBufferPointer { target in
        target.withMemoryRebound(to: CChar.self) { fuse_reply_readlink(raw, $0.baseAddress) }
      }
    case .statistics(let statistics):
      var values = statisticsValues(statistics)
      return fuse_reply_statfs(raw, &values)
    }
  }

  private static func passthroughBody(_ open: OpenReply) -> cfuse_open_passthrough {
    open.isDirect
      ? cfuse_open_beside_passthrough(open.handle.rawValue, open.backing)
      : cfuse_open_passthrough(open.handle.rawValue, open.backing)
  }

  /// Has the kernel copy them from where they are.
  private static func send(_ bytes: LentBytes, to raw: fuse_req_t) -> CInt {
    var vectors: [iovec] = []
    // SAFETY: the parts stay as they are as long as `bytes`, which the call below outlives; the kernel only reads them.
    bytes.forEachPart { part in
      part.withUnsafeBytes {
        vectors.append(iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count))
      }
    }
    return withExtendedLifetime(bytes) {
      vectors.withUnsafeBufferPointer { fuse_reply_iov(raw, $0.baseAddress, CInt($0.count)) }
    }
  }

  static func status(_ attributes: Attributes) -> stat {
    var status = stat()
    status.st_ino = ino_t(attributes.inode)
    status.st_mode = attributes.mode
    status.st_nlink = nlink_t(attributes.linkCount)
    status.st_uid = attributes.uid
    status.st_gid = attributes.gid
    status.st_rdev = dev_t(attributes.device)
    status.st_size = off_t(attributes.size)
    status.st_blksize = .init(attributes.blockSize)
    status.st_blocks = .init(attributes.blocks)
    status.st_atim = time(attributes.accessTime)
    status.st_mtim = time(attributes.modificationTime)
    status.st_ctim = time(attributes.changeTime)
    return status
  }

  private static func entryParameters(_ entry: Entry) -> fuse_entry_param {
    var parameters = fuse_entry_param()
    parameters.ino = fuse_ino_t(entry.node)
    parameters.generation = entry.generation
    parameters.attr = status(entry.attributes)
    parameters.attr_timeout = seconds(entry.attributeTimeout)
    parameters.entry_timeout = seconds(entry.entryTimeout)
    return parameters
  }

  /// As libfuse writes it. It has no call for an answer that names a backing file.
  private static func entryBody(_ entry: Entry) -> fuse_entry_out {
    let attributes = entry.attributes
    var body = fuse_entry_out()
    body.nodeid = entry.node
    body.generation = entry.generation
    (body.entry_valid, body.entry_valid_nsec) = split(entry.entryTimeout)
    (body.attr_valid, body.attr_valid_nsec) = split(entry.attributeTimeout)
    body.attr.ino = attributes.inode
    body.attr.size = UInt64(bitPattern: attributes.size)
    body.attr.blocks = UInt64(bitPattern: attributes.blocks)
    let times = [attributes.accessTime, attributes.modificationTime, attributes.changeTime].map(time)
    (body.attr.atime, body.attr.atimensec) = (UInt64(bitPattern: Int64(times[0].tv_sec)), UInt32(times[0].tv_nsec))
    (body.attr.mtime, body.attr.mtimensec) = (UInt64(bitPattern: Int64(times[1].tv_sec)), UInt32(times[1].tv_nsec))
    (body.attr.ctime, body.attr.ctimensec) = (UInt64(bitPattern: Int64(times[2].tv_sec)), UInt32(times[2].tv_nsec))
    body.attr.mode = attributes.mode
    body.attr.nlink = attributes.linkCount
    body.attr.uid = attributes.uid
    body.attr.gid = attributes.gid
    body.attr.rdev = UInt32(truncatingIfNeeded: attributes.device)
    body.attr.blksize = UInt32(bitPattern: attributes.blockSize)
    return body
  }

  private static func split(_ nanoseconds: UInt64) -> (UInt64, UInt32) {
    let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    return (seconds, UInt32(rest))
  }

  private static func fileInformation(_ open: OpenReply) -> fuse_file_info {
    var information = fuse_file_info()
    information.fh = open.handle.rawValue
    information.keep_cache = open.keepCache ? 1 : 0
    // close(2) asks nobody, as it could report nothing.
    information.noflush = open.handle.openFlags & O_ACCMODE == O_RDONLY ? 1 : 0
    return information
  }

  private static func statisticsValues(_ statistics: FileSystemStatistics) -> statvfs {
    var values = statvfs()
    values.f_bsize = UInt(statistics.blockSize)
    values.f_frsize = UInt(statistics.fragmentSize)
    values.f_blocks = .init(statistics.blocks)
    values.f_bfree = .init(statistics.freeBlocks)
    values.f_bavail = .init(statistics.availableBlocks)
    values.f_files = .init(statistics.files)
    values.f_ffree = .init(statistics.freeFiles)
    values.f_favail = .init(statistics.freeFiles)
    values.f_namemax = UInt(statistics.maximumNameLength)
    return values
  }

  /// Nanoseconds since the epoch, also before it: the nanoseconds of a timespec are never negative.
  static func time(_ nanoseconds: Int64) -> timespec {
    let (quotient, remainder) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    return remainder < 0
      ? timespec(tv_sec: Int(quotient) - 1, tv_nsec: Int(remainder) + 1_000_000_000)
      : timespec(tv_sec: Int(quotient), tv_nsec: Int(remainder))
  }

  /// Saturates: years beyond what 64 bits of nanoseconds hold (1677 to 2262) become the nearest that they do.
  static func nanoseconds(_ time: timespec) -> Int64 {
    let (seconds, overflow) = Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, carry) = seconds.addingReportingOverflow(Int64(time.tv_nsec))
    return overflow || carry ? (time.tv_sec < 0 ? .min : .max) : sum
  }

  private static func seconds(_ nanoseconds: UInt64) -> Double { Double(nanoseconds) / 1e9 }

  /// A name as libfuse passes it: NUL-terminated bytes of the request.
  static func name(_ pointer: UnsafePointer<CChar>?) -> FileName {
    FileName(bytes: bytes(pointer))
  }

  /// The bytes of a C string without its NUL.
  static func bytes(_ pointer: UnsafePointer<CChar>?) -> UnsafeRawBufferPointer {
    // SAFETY: the kernel ends names with NUL within the request; the pointer lives as long as the operation runs.
    UnsafeRawBufferPointer(start: pointer, count: pointer.map { strlen($0) } ?? 0)
  }
}
