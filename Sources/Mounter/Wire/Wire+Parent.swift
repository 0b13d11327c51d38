internal import MounterProtocol
internal import ProtobufC
internal import VolumeModel

/// Packets between a serving mounter and its parent.
extension Wire {
  /// What the serving mounter sends: `volume`, `node`, `withdraw` and `serving`.
  static func encodeToParent(_ message: ParentMessage) -> [UInt8] {
    let wire = unsafe MessageBuilder(mounter__v1__to_parent__init)
    unsafe wire.setNumbers(\.n_descriptors, \.descriptors, wireRoles(message.roles))
    switch message.body {
    case .volume(let held):
      unsafe wire.body_case = MOUNTER__V1__TO_PARENT__BODY_DEPOSIT
      unsafe held.fill(wire.make(\.deposit, mounter__v1__volume_custody__init))
    case .withdraw(let key):
      unsafe wire.body_case = MOUNTER__V1__TO_PARENT__BODY_WITHDRAW
      let withdraw = unsafe wire.make(\.withdraw, mounter__v1__withdraw__init)
      unsafe key.fill(withdraw.make(\.key, mounter__v1__key__init))
    case .node(let node):
      unsafe wire.body_case = MOUNTER__V1__TO_PARENT__BODY_NODE
      unsafe node.fill(wire.make(\.node, mounter__v1__node_custody__init))
    case .serving:
      unsafe wire.body_case = MOUNTER__V1__TO_PARENT__BODY_SERVING
      unsafe wire.make(\.serving, mounter__v1__serving__init)
    case .begin, .reaped, .unknown: break
    }
    return unsafe wire.packed()
  }

  static func messageToParent(_ bytes: [UInt8]) throws -> ParentMessage {
    unsafe try parse(bytes, unsafe mounter__v1__to_parent__init) { (wire) throws(MissingField) in
      var message = ParentMessage(roles: roles(unsafe wire.numbers(\.n_descriptors, \.descriptors)), body: .unknown)
      switch unsafe wire.body_case {
      case MOUNTER__V1__TO_PARENT__BODY_DEPOSIT:
        if let deposit = unsafe wire.deposit { message.body = unsafe .volume(try VolumeCustody(wire: deposit)) }
      case MOUNTER__V1__TO_PARENT__BODY_WITHDRAW:
        if let withdraw = unsafe wire.withdraw { message.body = unsafe .withdraw(try key(withdraw.key)) }
      case MOUNTER__V1__TO_PARENT__BODY_NODE:
        if let node = unsafe wire.node { message.body = unsafe .node(try NodeCustody(wire: node)) }
      case MOUNTER__V1__TO_PARENT__BODY_SERVING: message.body = .serving
      default: break
      }
      return message
    }
  }

  /// What the parent sends: `volume`, `node`, `begin` and `reaped`.
  static func encodeFromParent(_ message: ParentMessage) -> [UInt8] {
    let wire = unsafe MessageBuilder(mounter__v1__from_parent__init)
    unsafe wire.setNumbers(\.n_descriptors, \.descriptors, wireRoles(message.roles))
    switch message.body {
    case .volume(let held):
      unsafe wire.body_case = MOUNTER__V1__FROM_PARENT__BODY_HELD
      unsafe held.fill(wire.make(\.held, mounter__v1__volume_custody__init))
    case .begin:
      unsafe wire.body_case = MOUNTER__V1__FROM_PARENT__BODY_BEGIN
      unsafe wire.make(\.begin, mounter__v1__begin__init)
    case .reaped(let pid, let exit):
      unsafe wire.body_case = MOUNTER__V1__FROM_PARENT__BODY_REAPED
      let reaped = unsafe wire.make(\.reaped, mounter__v1__reaped__init)
      unsafe reaped.pid = pid
      switch exit {
      case .exited(let code): unsafe reaped.status = code
      case .signaled(let signal):
        unsafe reaped.status = signal
        unsafe reaped.setFlag(\.signaled, true)
      // A parent sees what waitid(2) tells and no more.
      case .outOfMemory, .unanswering, .replaced, .disconnected, .notServing, .unknown: break
      }
    case .node(let node):
      unsafe wire.body_case = MOUNTER__V1__FROM_PARENT__BODY_NODE
      unsafe node.fill(wire.make(\.node, mounter__v1__node_custody__init))
    case .withdraw, .serving, .unknown: break
    }
    return unsafe wire.packed()
  }

  static func messageFromParent(_ bytes: [UInt8]) throws -> ParentMessage {
    unsafe try parse(bytes, unsafe mounter__v1__from_parent__init) { (wire) throws(MissingField) in
      var message = ParentMessage(roles: roles(unsafe wire.numbers(\.n_descriptors, \.descriptors)), body: .unknown)
      switch unsafe wire.body_case {
      case MOUNTER__V1__FROM_PARENT__BODY_HELD:
        if let held = unsafe wire.held { message.body = unsafe .volume(try VolumeCustody(wire: held)) }
      case MOUNTER__V1__FROM_PARENT__BODY_NODE:
        if let node = unsafe wire.node { message.body = unsafe .node(try NodeCustody(wire: node)) }
      case MOUNTER__V1__FROM_PARENT__BODY_BEGIN: message.body = .begin
      case MOUNTER__V1__FROM_PARENT__BODY_REAPED:
        if let reaped = unsafe wire.reaped {
          let status = unsafe reaped.status
          let exit: WorkerExit = unsafe reaped.flag(\.signaled) ? .signaled(status) : .exited(code: status)
          message.body = .reaped(pid: unsafe reaped.pid, exit: exit)
        }
      default: break
      }
      return message
    }
  }
}
