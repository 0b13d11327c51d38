internal import Log
internal import MounterProtocol
internal import ProtobufC
internal import VolumeModel

/// Packets between client and mounter.
extension Wire {
  static func encode(_ message: CallMessage) -> [UInt8] {
    let wire = unsafe MessageBuilder(mounter__v1__request__init)
    unsafe wire.id = message.id
    unsafe wire.timeout_ms = message.timeoutMilliseconds
    unsafe wire.trace = message.trace?.description ?? ""
    unsafe wire.setNumbers(\.n_descriptors, \.descriptors, wireRoles(message.roles))
    unsafe fill(wire, message.call)
    return unsafe wire.packed()
  }

  private static func fill(_ wire: MessageBuilder<Mounter__V1__Request>, _ call: CallMessage.Call) {
    switch call {
    case .hello(let version, let program):
      unsafe wire.call_case = MOUNTER__V1__REQUEST__CALL_HELLO
      let hello = unsafe wire.make(\.hello, mounter__v1__hello__init)
      unsafe hello.version = version
      unsafe hello.program = withoutNul(program)
    case .ensureMounted(let request):
      unsafe wire.call_case = MOUNTER__V1__REQUEST__CALL_ENSURE_MOUNTED
      let call = unsafe wire.make(\.ensure_mounted, mounter__v1__ensure_mounted__init)
      unsafe request.fill(call.make(\.mount, mounter__v1__mount__init))
    case .unmount(let key, let abandoningUsers):
      unsafe wire.call_case = MOUNTER__V1__REQUEST__CALL_UNMOUNT
      let call = unsafe wire.make(\.unmount, mounter__v1__unmount__init)
      unsafe key.fill(call.make(\.key, mounter__v1__key__init))
      unsafe call.setFlag(\.abandon_users, abandoningUsers)
    case .status(let key):
      unsafe wire.call_case = MOUNTER__V1__REQUEST__CALL_GET_STATUS
      let call = unsafe wire.make(\.get_status, mounter__v1__get_status__init)
      unsafe key.fill(call.make(\.key, mounter__v1__key__init))
    case .list:
      unsafe wire.call_case = MOUNTER__V1__REQUEST__CALL_LIST
      unsafe wire.make(\.list, mounter__v1__list__init)
    case .subscribe:
      unsafe wire.call_case = MOUNTER__V1__REQUEST__CALL_SUBSCRIBE
      unsafe wire.make(\.subscribe, mounter__v1__subscribe__init)
    case .refreshSecrets(let key):
      unsafe wire.call_case = MOUNTER__V1__REQUEST__CALL_REFRESH_SECRETS
      let call = unsafe wire.make(\.refresh_secrets, mounter__v1__refresh_secrets__init)
      unsafe key.fill(call.make(\.key, mounter__v1__key__init))
    case .updateOptions(let key, let options):
      unsafe wire.call_case = MOUNTER__V1__REQUEST__CALL_UPDATE_OPTIONS
      let call = unsafe wire.make(\.update_options, mounter__v1__update_options__init)
      unsafe key.fill(call.make(\.key, mounter__v1__key__init))
      unsafe options.fill(call.make(\.options, mounter__v1__options__init))
    case .shutdown(let unmountingAll):
      unsafe wire.call_case = MOUNTER__V1__REQUEST__CALL_SHUTDOWN
      let call = unsafe wire.make(\.shutdown, mounter__v1__shutdown__init)
      unsafe call.setFlag(\.unmount_all, unmountingAll)
    case .keepCustody:
      unsafe wire.call_case = MOUNTER__V1__REQUEST__CALL_KEEP_CUSTODY
      unsafe wire.make(\.keep_custody, mounter__v1__keep_custody__init)
    case .offerCustody(let volume):
      unsafe wire.call_case = MOUNTER__V1__REQUEST__CALL_OFFER_CUSTODY
      unsafe volume.fill(wire.make(\.offer_custody, mounter__v1__volume_custody__init))
    case .offerNode(let node):
      unsafe wire.call_case = MOUNTER__V1__REQUEST__CALL_OFFER_NODE
      unsafe node.fill(wire.make(\.offer_node, mounter__v1__node_custody__init))
    case .takeOver:
      unsafe wire.call_case = MOUNTER__V1__REQUEST__CALL_TAKE_OVER
      unsafe wire.make(\.take_over, mounter__v1__take_over__init)
    case .handOver(let key):
      unsafe wire.call_case = MOUNTER__V1__REQUEST__CALL_HAND_OVER
      let call = unsafe wire.make(\.hand_over, mounter__v1__hand_over__init)
      unsafe key.fill(call.make(\.key, mounter__v1__key__init))
    case .endTakeOver:
      unsafe wire.call_case = MOUNTER__V1__REQUEST__CALL_END_TAKE_OVER
      unsafe wire.make(\.end_take_over, mounter__v1__end_take_over__init)
    case .unknown, .malformed: break
    }
  }

  /// A call that lacks something arrives as `malformed`, so that it can be answered.
  /// - Throws: `WireError` for bytes that are no message.
  static func call(_ bytes: [UInt8]) throws -> CallMessage {
    unsafe try parse(bytes, mounter__v1__request__init) { wire in
      var message = unsafe CallMessage(
        id: wire.id, timeoutMilliseconds: wire.timeout_ms,
        roles: roles(wire.numbers(\.n_descriptors, \.descriptors)), trace: TraceID(wire.trace), call: .unknown)
      do throws(MissingField) { message.call = try unsafe call(wire) } catch {
        message.call = .malformed(reason: error.description)
      }
      return message
    }
  }

  private static func call(
    _ wire: borrowing MessageView<Mounter__V1__Request>
  ) throws(MissingField) -> CallMessage.Call {
    switch unsafe wire.call_case {
    case MOUNTER__V1__REQUEST__CALL_HELLO:
      guard let call = unsafe wire.hello else { return .unknown }
      return .hello(version: unsafe call.version, program: unsafe call.program)
    case MOUNTER__V1__REQUEST__CALL_ENSURE_MOUNTED:
      guard let call = unsafe wire.ensure_mounted else { return .unknown }
      return unsafe .ensureMounted(try mount(call.mount))
    case MOUNTER__V1__REQUEST__CALL_UNMOUNT:
      guard let call = unsafe wire.unmount else { return .unknown }
      return unsafe .unmount(try key(call.key), abandoningUsers: call.flag(\.abandon_users))
    case MOUNTER__V1__REQUEST__CALL_GET_STATUS:
      guard let call = unsafe wire.get_status else { return .unknown }
      return unsafe .status(try key(call.key))
    case MOUNTER__V1__REQUEST__CALL_LIST: return .list
    case MOUNTER__V1__REQUEST__CALL_SUBSCRIBE: return .subscribe
    case MOUNTER__V1__REQUEST__CALL_REFRESH_SECRETS:
      guard let call = unsafe wire.refresh_secrets else { return .unknown }
      return unsafe .refreshSecrets(try key(call.key))
    case MOUNTER__V1__REQUEST__CALL_UPDATE_OPTIONS:
      guard let call = unsafe wire.update_options else { return .unknown }
      return unsafe .updateOptions(try key(call.key), try options(call.options))
    case MOUNTER__V1__REQUEST__CALL_SHUTDOWN:
      guard let call = unsafe wire.shutdown else { return .unknown }
      return .shutdown(unmountingAll: unsafe call.flag(\.unmount_all))
    case MOUNTER__V1__REQUEST__CALL_KEEP_CUSTODY: return .keepCustody
    case MOUNTER__V1__REQUEST__CALL_OFFER_CUSTODY:
      guard let volume = unsafe wire.offer_custody else { return .unknown }
      return .offerCustody(try unsafe VolumeCustody(wire: volume))
    case MOUNTER__V1__REQUEST__CALL_OFFER_NODE:
      guard let node = unsafe wire.offer_node else { return .unknown }
      return .offerNode(try unsafe NodeCustody(wire: node))
    case MOUNTER__V1__REQUEST__CALL_TAKE_OVER: return .takeOver
    case MOUNTER__V1__REQUEST__CALL_HAND_OVER:
      guard let call = unsafe wire.hand_over else { return .unknown }
      return unsafe .handOver(try key(call.key))
    case MOUNTER__V1__REQUEST__CALL_END_TAKE_OVER: return .endTakeOver
    default: return .unknown
    }
  }

  static func encode(_ message: ReplyMessage) -> [UInt8] {
    let wire = unsafe MessageBuilder(mounter__v1__reply__init)
    unsafe wire.id = message.id
    unsafe wire.setFlag(\.more, message.more)
    unsafe wire.setNumbers(\.n_descriptors, \.descriptors, wireRoles(message.roles))
    switch message.reply {
    case .hello(let greeting):
      unsafe wire.body_case = MOUNTER__V1__REPLY__BODY_HELLO
      let hello = unsafe wire.make(\.hello, mounter__v1__hello_reply__init)
      unsafe hello.version = greeting.version
      unsafe hello.oldest_version = greeting.oldestVersion
      unsafe hello.program = withoutNul(greeting.program)
      unsafe hello.pid = greeting.pid
    case .done:
      unsafe wire.body_case = MOUNTER__V1__REPLY__BODY_DONE
      unsafe wire.make(\.done, mounter__v1__done__init)
    case .status(let status):
      unsafe wire.body_case = MOUNTER__V1__REPLY__BODY_STATUS
      unsafe status.fill(wire.make(\.status, mounter__v1__status__init))
    case .failed(let error):
      unsafe wire.body_case = MOUNTER__V1__REPLY__BODY_ERROR
      unsafe error.fill(wire.make(\.error, mounter__v1__error__init))
    case .event(let status):
      unsafe wire.body_case = MOUNTER__V1__REPLY__BODY_EVENT
      let event = unsafe wire.make(\.event, mounter__v1__event__init)
      unsafe status.fill(event.make(\.status, mounter__v1__status__init))
    case .custody(let volume):
      unsafe wire.body_case = MOUNTER__V1__REPLY__BODY_CUSTODY
      unsafe volume.fill(wire.make(\.custody, mounter__v1__volume_custody__init))
    case .node(let node):
      unsafe wire.body_case = MOUNTER__V1__REPLY__BODY_NODE
      unsafe node.fill(wire.make(\.node, mounter__v1__node_custody__init))
    case .withdraw(let key):
      unsafe wire.body_case = MOUNTER__V1__REPLY__BODY_WITHDRAW
      let withdraw = unsafe wire.make(\.withdraw, mounter__v1__withdraw__init)
      unsafe key.fill(withdraw.make(\.key, mounter__v1__key__init))
    case .unknown: break
    }
    return unsafe wire.packed()
  }

  /// - Throws: `WireError` for bytes that are no message, `MissingField` for one that lacks something.
  static func reply(_ bytes: [UInt8]) throws -> ReplyMessage {
    unsafe try parse(bytes, unsafe mounter__v1__reply__init) { (wire) throws(MissingField) in
      unsafe ReplyMessage(
        id: unsafe wire.id, more: unsafe wire.flag(\.more),
        roles: roles(unsafe wire.numbers(\.n_descriptors, \.descriptors)), reply: try reply(wire))
    }
  }

  private static func reply(
    _ wire: borrowing MessageView<Mounter__V1__Reply>
  ) throws(MissingField) -> ReplyMessage.Reply {
    switch unsafe wire.body_case {
    case MOUNTER__V1__REPLY__BODY_HELLO:
      guard let hello = unsafe wire.hello else { return .unknown }
      return .hello(
        ReplyMessage.Greeting(
          version: unsafe hello.version, oldestVersion: unsafe hello.oldest_version, program: unsafe hello.program,
          pid: unsafe hello.pid))
    case MOUNTER__V1__REPLY__BODY_DONE: return .done
    case MOUNTER__V1__REPLY__BODY_STATUS: return unsafe .status(try status(wire.status))
    case MOUNTER__V1__REPLY__BODY_ERROR:
      guard let error = unsafe wire.error else { return .unknown }
      return unsafe .failed(try MounterError(wire: error))
    case MOUNTER__V1__REPLY__BODY_EVENT:
      guard let event = unsafe wire.event else { return .unknown }
      return unsafe .event(try status(event.status))
    case MOUNTER__V1__REPLY__BODY_CUSTODY:
      guard let volume = unsafe wire.custody else { return .unknown }
      return .custody(try unsafe VolumeCustody(wire: volume))
    case MOUNTER__V1__REPLY__BODY_NODE:
      guard let node = unsafe wire.node else { return .unknown }
      return .node(try unsafe NodeCustody(wire: node))
    case MOUNTER__V1__REPLY__BODY_WITHDRAW:
      guard let withdraw = unsafe wire.withdraw else { return .unknown }
      return unsafe .withdraw(try key(withdraw.key))
    default: return .unknown
    }
  }

  /// Validates, unpacks and reads a packet.
  static func parse<Message, Value>(
    _ bytes: [UInt8], _ initialize: MessageInitializer<Message>,
    _ read: (borrowing MessageView<Message>) throws(MissingField) -> Value
  ) throws -> Value {
    try unsafe bytes.withUnsafeBytes { try unsafe ParsedMessage($0, initialize).read(read) }
  }
}
