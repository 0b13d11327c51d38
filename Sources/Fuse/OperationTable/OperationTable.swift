import CFuse

/// The callbacks that libfuse gets. Each makes a request, makes one call on the volume file system and answers once.
///
/// Absent on purpose: getlk, setlk and flock (the kernel keeps locks itself), readdirplus (not granted), access (the kernel
/// checks permissions: default_permissions), bmap, write_buf and forget's kin of splice. libfuse answers what is absent with
/// ENOSYS, after which the kernel does without; for poll that means "always ready", as POSIX has it for files.
enum OperationTable {
  static let operations: fuse_lowlevel_ops = {
    var table = fuse_lowlevel_ops()
    table.`init` = { _, connection in Connection.agree(connection) }
    addNames(&table)
    addFiles(&table)
    addDirectories(&table)
    addAttributes(&table)
    return table
  }()
}
