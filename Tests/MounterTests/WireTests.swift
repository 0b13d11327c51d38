import LinuxSystem
import Log
import ProtobufC
import SystemPackage
import TestSupport
import Testing
import VolumeModel

@testable import Mounter

@Suite("Packets of the mounter's protocol")
struct WireTests {
  @Test("every call arrives as it was sent", arguments: WireSamples.calls)
  func calls(_ call: CallMessage.Call) throws {
    let message = CallMessage(id: .max, timeoutMilliseconds: 17, roles: [.secrets], trace: TraceID(), call: call)
    #expect(try Wire.call(Wire.encode(message)) == message)
  }

  @Test("every reply arrives as it was sent", arguments: WireSamples.replies)
  func replies(_ reply: ReplyMessage.Reply) throws {
    let message = ReplyMessage(id: 5, more: true, roles: [.fuseDevice, nil, .sharedState], reply: reply)
    #expect(try Wire.reply(Wire.encode(message)) == message)
  }

  @Test("every command arrives as it was sent", arguments: WireSamples.commands)
  func commands(_ command: CommandMessage.Command) throws {
    let message = CommandMessage(id: 6, roles: [.underFileSystemRoot], command: command)
    #expect(try Wire.command(Wire.encode(message)) == message)
  }

  @Test("every report arrives as it was sent", arguments: WireSamples.reports)
  func reports(_ report: WorkerReport?) throws {
    let roles: [DescriptorRole?] = [.node, nil, .pageFolder, .nodeEnvironment, .cacheAccount]
    let message = ReportMessage(id: 7, roles: roles, report: report)
    #expect(try Wire.report(Wire.encode(message)) == message)
  }

  @Test("parent and serving mounter understand each other")
  func parent() throws {
    for body in [
      ParentMessage.Body.volume(WireSamples.held), .withdraw(WireSamples.key), .node(WireSamples.node), .serving,
    ] {
      let message = ParentMessage(roles: [.workerControl, .workerProcess, .workerOutput], body: body)
      #expect(try Wire.messageToParent(Wire.encodeToParent(message)) == message)
    }
    let bodies: [ParentMessage.Body] = [
      .volume(WireSamples.held), .node(WireSamples.node), .begin, .reaped(pid: 3, exit: .exited(code: 2)),
      .reaped(pid: 4, exit: .signaled(9)),
    ]
    for body in bodies {
      let message = ParentMessage(roles: [], body: body)
      #expect(try Wire.messageFromParent(Wire.encodeFromParent(message)) == message)
    }
  }

  @Test("secrets survive their memfd and are shown nowhere")
  func secrets() throws {
    let secrets = VolumeSecrets(["s3a.secretKey": "hunter2", "empty": ""])
    let memfd = try Memfd.sealed(name: "test", bytes: Wire.encode(secrets))
    #expect(try Wire.secrets(Memfd.contents(of: memfd)) == secrets)
    var dumped = ""
    dump(secrets, to: &dumped)
    #expect(!"\(secrets) \(String(reflecting: secrets)) \(dumped)".contains("hunter2"))
  }

  @Test("a NUL in a text cuts nothing off")
  func nul() throws {
    let message = CallMessage(id: 1, call: .hello(version: 1, program: "a\0b"))
    #expect(try Wire.call(Wire.encode(message)).call == .hello(version: 1, program: "a?b"))
  }

  @Test("fields that this version does not know are ignored")
  func unknownFields() throws {
    // Field 1000, length-delimited, 3 bytes; field 1001, varint.
    let newer: [UInt8] = [0xC2, 0x3E, 3, 1, 2, 3, 0xC8, 0x3E, 5]
    let message = CallMessage(id: 1, call: .ensureMounted(WireSamples.request))
    #expect(try Wire.call(Wire.encode(message) + newer) == message)
    let reply = ReplyMessage(id: 1, reply: .status(WireSamples.statuses[1]))
    #expect(try Wire.reply(Wire.encode(reply) + newer) == reply)
  }

  @Test("a call, command or report of a newer version is unknown, and its id is kept")
  func unknownBodies() throws {
    // id 9 and an empty message as field 99.
    let call = try Wire.call([0x08, 9, 0x9A, 0x06, 0])
    #expect(call.id == 9)
    #expect(call.call == .unknown)
    #expect(try Wire.command([0x08, 9, 0x9A, 0x06, 0]) == CommandMessage(id: 9, command: .unknown))
    #expect(try Wire.report([0x08, 9, 0x9A, 0x06, 0]) == ReportMessage(id: 9, report: nil))
    #expect(try Wire.reply([0x08, 9, 0x9A, 0x06, 0]).reply == .unknown)
  }

  @Test("descriptors of a role that is not known are closed, the others keep their places")
  func unknownRoles() throws {
    let before = try LeakSnapshot(mountsBeneath: nil)
    try {
      let descriptors = try (0..<3).map { _ in SharedDescriptor(try Memfd.create(name: "role")) }
      let named = Packet.byRole(descriptors, [nil, .secrets])
      #expect(named.count == 1)
      #expect(named[.secrets] === descriptors[1])
    }()
    let after = try LeakSnapshot(mountsBeneath: nil)
    #expect(after.memfds["/memfd:role (deleted)"] == before.memfds["/memfd:role (deleted)"])
  }

  @Test("a call that lacks its key or mount can still be answered")
  func missingFields() throws {
    // id 4, ensure_mounted (field 11) empty; then unmount (12), get_status (13), update_options (17).
    for field: [UInt8] in [[0x5A, 0], [0x62, 0], [0x6A, 0], [0x82, 0x01, 0], [0x8A, 0x01, 0]] {
      let message = try Wire.call([0x08, 4] + field)
      #expect(message.id == 4)
      guard case .malformed(let reason) = message.call else {
        Issue.record("\(message.call)")
        continue
      }
      #expect(reason.contains("missing"))
    }
  }

  @Test("a page store that is no absolute path, pages of no size and hosts without a name are malformed")
  func badStores() throws {
    for spoil in [
      { $0.pageStore = "relative" }, { $0.pageSize = 0 }, { $0.properties.address = ObjectStoreAddress(host: "") },
    ] as [(inout ObjectStoreRequest) -> Void] {
      var request = WireSamples.storeRequest
      var store = try #require(request.objectStore)
      spoil(&store)
      request.objectStore = store
      let call = try Wire.call(Wire.encode(CallMessage(id: 1, call: .ensureMounted(request)))).call
      guard case .malformed = call else {
        Issue.record("\(call)")
        continue
      }
    }
  }

  @Test("a worker's endless list of requests is cut")
  func manyCounters() throws {
    var counters = VolumeCounters()
    var kind = VolumeCounters.Requests(kind: "x")
    kind.outcomes = (0..<1_000).map { .init("\($0)", 1) }
    counters.requests = Array(repeating: kind, count: 100)
    let report = try Wire.report(Wire.encode(ReportMessage(report: .counters(counters)))).report
    guard case .counters(let read) = report else { return #expect(Bool(false)) }
    #expect(read.requests.count == 64)
    #expect(read.requests.allSatisfy { $0.outcomes.count == 64 })
  }

  @Test("a refusal of a newer version is some refusal, and its sentence is kept")
  func unknownRefusal() throws {
    // failed (field 11) with the reason `no` and the refusal 99.
    let report = try Wire.report([0x5A, 6, 0x0A, 2, 0x6E, 0x6F, 0x10, 99]).report
    #expect(report == .refused(.other, reason: "no"))
    // An older worker says no kind at all.
    #expect(try Wire.report([0x5A, 4, 0x0A, 2, 0x6E, 0x6F]).report == .failed(reason: "no"))
  }

  @Test("a worker for an object store gets the node's variables that mean something to it, and no others")
  func environment() throws {
    let all = [
      "AWS_PROFILE": "a=b", "AWS_SECRET_ACCESS_KEY": "k", "https_proxy": "http://p:1", "NO_PROXY": "", "HOME": "/root",
      "SSL_CERT_FILE": "/ca", "PATH": "/bin", "LD_PRELOAD": "x", "OSS_ACCESS_KEY_ID": "o",
    ]
    let wanted = all.filter { !["PATH", "LD_PRELOAD"].contains($0.key) }
    #expect(try NodeEnvironment.read(NodeEnvironment.make(all, credentials: true)) == wanted)
    let credentials = ["AWS_PROFILE", "AWS_SECRET_ACCESS_KEY", "HOME", "OSS_ACCESS_KEY_ID"]
    let without = wanted.filter { !credentials.contains($0.key) }
    #expect(try NodeEnvironment.read(NodeEnvironment.make(all, credentials: false)) == without)
    let memory = try NodeEnvironment.make(all, credentials: true)
    #expect(try Memfd.seals(of: memory).isSuperset(of: .everything))
  }

  @Test("relative mount points and unknown schemes are malformed")
  func badValues() throws {
    var request = WireSamples.request
    request.mountPoint = "relative"
    guard case .malformed = try Wire.call(Wire.encode(CallMessage(id: 1, call: .ensureMounted(request)))).call else {
      return #expect(Bool(false))
    }
  }

  @Test("random and damaged bytes are refused or read, and never more", arguments: 0..<8)
  func fuzz(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let packets = WireSamples.packets
    for _ in 0..<2_000 {
      let packet = packets.randomElement(using: &random)!
      var bytes = packet.bytes
      switch Int.random(in: 0..<5, using: &random) {
      case 0:
        bytes = (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      case 1: bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
      case 2 where !bytes.isEmpty:
        for _ in 0..<Int.random(in: 1...6, using: &random) {
          bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
      case 3: bytes.insert(contentsOf: packets.randomElement(using: &random)!.bytes, at: bytes.count / 2)
      default: bytes += bytes
      }
      // Throwing is fine; crashing, hanging or reading out of bounds is not.
      try? packet.read(bytes)
    }
  }

  @Test("every error says what to do", arguments: WireSamples.errors)
  func sentences(_ error: MounterError) {
    #expect(error.description.count > 20 || error == .system(.ioError, step: "mounting"))
  }
}

@Suite("What a worker writes to its standard error")
struct WorkerOutputTests {
  @Test("lines are complete whatever the parts they come in")
  func lines() {
    var output = WorkerOutput()
    #expect(output.append(Array("one\ntw".utf8)) == ["one"])
    #expect(output.append(Array("o\n\nthree".utf8)) == ["two", ""])
    #expect(output.finish() == ["three"])
    #expect(output.finish() == [])
    #expect(output.lastLines == ["one", "two", "", "three"])
  }

  @Test("only the last lines are remembered, and no line is endless")
  func bounds() {
    var output = WorkerOutput()
    for number in 0..<100 { _ = output.append(Array("\(number)\n".utf8)) }
    #expect(output.lastLines.count == WorkerOutput.remembered)
    #expect(output.lastLines.last == "99")
    let lines = output.append([UInt8](repeating: 0x61, count: 5_000))
    #expect(lines.count == 4)
    #expect(lines.allSatisfy { $0.utf8.count <= WorkerOutput.longestLine })
  }

  @Test("bytes that are no text are shown as such")
  func notText() {
    var output = WorkerOutput()
    #expect(output.append([0xFF, 0x0A]) == ["\u{FFFD}"])
  }
}
