import CFuse
import SystemPackage
import UnderFileSystem
import VolumeFileSystem

extension OperationTable {
  /// Looking up, making, naming and removing nodes.
  static func addNames(_ table: inout fuse_lowlevel_ops) {
    table.lookup = { raw, parent, name in
      Request(raw).answer { request throws(Errno) in
        .entry(try request.fileSystem.lookup(Wire.name(name), in: parent))
      }
    }
    table.forget = { raw, node, count in
      Request(raw).answer { request throws(Errno) in
        request.fileSystem.forget(node, count)
        return .none
      }
    }
    table.forget_multi = { raw, count, nodes in
      Request(raw).answer { request throws(Errno) in
        // SAFETY: libfuse passes `count` initialised elements.
        for node in UnsafeBufferPointer(start: nodes, count: count) {
          request.fileSystem.forget(node.ino, node.nlookup)
        }
        return .none
      }
    }
    table.readlink = { raw, node in
      Request(raw).answer { request throws(Errno) in .link(try request.fileSystem.readLink(node)) }
    }
    addMakers(&table)
    addRemovers(&table)
  }

  private static func addMakers(_ table: inout fuse_lowlevel_ops) {
    table.mknod = { raw, parent, name, mode, device in
      Request(raw).answerOnce { request throws(Errno) in
        .entry(
          try request.fileSystem.makeNode(
            Wire.name(name), in: parent, mode: mode, device: UInt64(device), caller: request.caller,
            request: request.id))
      }
    }
    table.mkdir = { raw, parent, name, mode in
      Request(raw).answerOnce { request throws(Errno) in
        .entry(
          try request.fileSystem.makeDirectory(
            Wire.name(name), in: parent, mode: mode, caller: request.caller, request: request.id))
      }
    }
    table.symlink = { raw, target, parent, name in
      Request(raw).answerOnce { request throws(Errno) in
        .entry(
          try request.fileSystem.makeSymlink(
            Wire.name(name), in: parent, target: Array(Wire.bytes(target)), caller: request.caller,
            request: request.id))
      }
    }
    table.link = { raw, node, parent, name in
      Request(raw).answerOnce { request throws(Errno) in
        .entry(
          try request.fileSystem.link(
            node, as: Wire.name(name), in: parent, caller: request.caller, request: request.id))
      }
    }
  }

  private static func addRemovers(_ table: inout fuse_lowlevel_ops) {
    table.unlink = { raw, parent, name in
      Request(raw).answerOnce { request throws(Errno) in
        try request.fileSystem.unlink(Wire.name(name), in: parent, caller: request.caller, request: request.id)
        return .done
      }
    }
    table.rmdir = { raw, parent, name in
      Request(raw).answerOnce { request throws(Errno) in
        try request.fileSystem.removeDirectory(
          Wire.name(name), in: parent, caller: request.caller, request: request.id)
        return .done
      }
    }
    table.rename = { raw, parent, name, newParent, newName, flags in
      Request(raw).answerOnce { request throws(Errno) in
        try request.fileSystem.rename(
          Wire.name(name), in: parent, to: Wire.name(newName), in: newParent, flags: RenameFlags(rawValue: flags),
          caller: request.caller, request: request.id)
        return .done
      }
    }
  }
}
