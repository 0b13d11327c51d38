import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

/// Where the files of a volume are.
enum Ground: String, CaseIterable, Sendable {
  case memory
  case handles
  case names
}

/// A volume for one test of crashes, over any ground.
final class MortalVolume: Mortal {
  private let directory: TemporaryDirectory
  let ground: Ground
  private let memoryFiles = InMemoryFileSystem()
  private let state: Descriptor
  let memory: SharedMemory
  private(set) var files: VolumeFileSystem
  private(set) var deaths = 0
  let custody = Custody()

  func died() { deaths += 1 }

  private static let maxNodes: UInt32 = 64

  init(_ ground: Ground) throws {
    directory = try TemporaryDirectory("mortal", beneath: "/dev/shm")
    self.ground = ground
    state = try Memfd.create(name: "volume-test", byteCount: SharedStateLayout.size(maxNodes: Self.maxNodes))
    try state.writeAll(SharedStateLayout.header(maxNodes: Self.maxNodes, initRequest: [1], initReply: [2]) ?? [])
    try Memfd.seal(state, .shrink)
    memory = try SharedMemory(mapping: state)
    files = try Self.serve(directory.path, ground, memoryFiles, state, custody)
  }

  func base() throws(Errno) -> any UnderFileSystem { try Self.base(directory.path, ground, memoryFiles) }

  private static func base(
    _ path: String, _ ground: Ground, _ memory: InMemoryFileSystem
  ) throws(Errno) -> any UnderFileSystem {
    if ground == .memory { return memory }
    return try LocalFileSystem(
      root: try Descriptor.open(path, O_RDONLY | O_DIRECTORY), useHandles: ground == .handles)
  }

  private static func serve(
    _ path: String, _ ground: Ground, _ memory: InMemoryFileSystem, _ state: borrowing Descriptor,
    _ custody: Custody
  ) throws(Errno) -> VolumeFileSystem {
    try VolumeFileSystem(
      underFileSystem: try base(path, ground, memory), state: try SharedState(descriptor: state),
      options: WorkerOptions(), custody: custody)
  }

  /// How often the node is open, as its slot says.
  func opens(_ node: NodeID) -> UInt32 {
    memory.load(at: SharedStateLayout.nodesOffset + Int(node - 1) * SharedStateLayout.slotSize + 48)
  }

  /// Another worker takes over.
  func restart() throws(Errno) { files = try Self.serve(directory.path, ground, memoryFiles, state, custody) }
}
