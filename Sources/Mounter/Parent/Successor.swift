internal import LinuxSystem
internal import SystemPackage
internal import VolumeModel

/// Another mounter that serves the socket, as the parent sees it whose own cannot. It is given what the parent keeps before
/// that ends. Its answers are waited for on the calling thread, which has nothing else to do by then.
struct Successor: Sendable {
  private let socket: SeqpacketSocket
  private var lastCall: UInt64 = 0
  /// As it calls itself.
  private(set) var program = ""

  /// A mounter that lives answers in no time.
  private static let patience: CInt = 2_000

  /// - Returns: nil where nobody answers: who has the lock of the socket for a moment is no successor.
  init?(at path: String) {
    guard let socket = try? SeqpacketSocket.connectNonBlocking(to: path) else { return nil }
    self.socket = socket
    guard
      case .hello(let greeting) = try? ask(
        .hello(version: ProtocolVersion.current, program: "parent (pid \(ProcessUser.pid))"))
    else { return nil }
    program = greeting.program
  }

  /// Lets it have a volume, unless it has it.
  /// - Returns: nil where it has it now; else why not, for people.
  mutating func offer(_ copy: CustodyCopy) -> String? {
    let (roles, descriptors) = copy.parcel
    do throws(Errno) {
      if case .failed(let error) = try ask(.offerCustody(copy.volume), roles, descriptors) { return "\(error)" }
      for (node, descriptor) in copy.nodes {
        _ = try ask(.offerNode(NodeCustody(key: copy.key, node: node)), [.node], [descriptor])
      }
      return nil
    } catch {
      return "\(error)"
    }
  }

  /// Sends a call and waits for its answer.
  private mutating func ask(
    _ call: CallMessage.Call, _ roles: [DescriptorRole] = [], _ descriptors: [SharedDescriptor] = []
  ) throws(Errno) -> ReplyMessage.Reply {
    lastCall += 1
    guard try socket.descriptor.isWritable(within: Self.patience) else { throw .timedOut }
    try socket.send(Wire.encode(CallMessage(id: lastCall, roles: roles, call: call)), sharing: descriptors)
    while try socket.descriptor.isReadable(within: Self.patience) {
      guard
        let packet = try socket.receive(maxBytes: Packet.maximumBytes, maxDescriptors: Packet.maximumDescriptors)
      else { throw .connectionReset }
      if let message = try? Wire.reply(packet.bytes), message.id == lastCall { return message.reply }
    }
    throw .timedOut
  }
}
