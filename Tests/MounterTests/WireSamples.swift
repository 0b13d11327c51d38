import LinuxSystem
import Log
import Logging
import SystemPackage
import VolumeModel

@testable import Mounter

/// One value of every message and of every case of it, with every field set.
enum WireSamples {
  static let key = WorkerKey(volumeID: "volume ä", mountGroup: "1000", credentialIdentity: "")

  static var options: WorkerOptions {
    var options = WorkerOptions()
    options.readOnly = true
    options.attributeTimeoutMilliseconds = 1
    options.entryTimeoutMilliseconds = 2
    options.uid = 0
    options.gid = .max
    options.umask = 0o27
    options.mountGroup = 1000
    options.readAheadBytes = 1 << 40
    options.passthrough = false
    options.memoryLimitBytes = .max
    options.capacityBytes = 0
    return options
  }

  static let request = MountRequest(
    key: key, underFileSystem: UnderFileSystemURI(scheme: .s3, authority: "bucket", path: "prefix"),
    mountPoint: "/state/volumes/x/mount", fileRoots: ["/a", "/b b"], options: options)

  /// With all that only volumes on object stores have.
  static var storeRequest: MountRequest {
    var properties = ObjectStoreProperties()
    properties.address = ObjectStoreAddress(isSecure: false, host: "[::1]", port: 9000)
    properties.region = "eu-central-1"
    properties.endpointRegion = ""
    properties.isPathStyle = true
    properties.webIdentity = WebIdentity(
      role: "arn:aws:iam::1:role/r", audience: "sts.example", endpoint: ObjectStoreAddress(host: "sts.example"))
    var store = ObjectStoreRequest(
      properties: properties, usesNodeCredentials: true, pageStore: "/state/pages ä", pageStoreBytes: .max)
    store.pageSize = 1 << 24
    store.cachePassthrough = true
    var request = request
    request.objectStore = store
    return request
  }

  /// With as little as such a volume can have.
  static var plainStoreRequest: MountRequest {
    var request = request
    request.underFileSystem = UnderFileSystemURI(scheme: .oss, authority: "bucket", path: "")
    var properties = ObjectStoreProperties()
    properties.address = ObjectStoreAddress(host: "oss-cn-hangzhou.aliyuncs.com")
    request.objectStore = ObjectStoreRequest(
      properties: properties, usesNodeCredentials: false, pageStore: "/p", pageStoreBytes: 0)
    return request
  }

  static var counters: VolumeCounters {
    var counters = VolumeCounters()
    (counters.hits, counters.misses, counters.bytesFromCache) = (1, 2, 3)
    (counters.bytesFromUnderFileSystem, counters.readAheadWaste, counters.evictedPages) = (4, 5, 6)
    (counters.cachedBytes, counters.cacheLimit, counters.openFiles) = (7, 8, 9)
    (counters.memoryInUse, counters.memoryBudget, counters.hiddenKeys) = (10, 11, .max)
    var requests = VolumeCounters.Requests(kind: "GetObject")
    requests.outcomes = [.init("200", 3), .init("timeout", .max)]
    (requests.medianMicroseconds, requests.p99Microseconds) = (12, 13)
    (requests.answered, requests.totalMicroseconds) = (14, .max)
    counters.requests = [requests, VolumeCounters.Requests(kind: "")]
    counters.cacheProblem = "the disk is full"
    return counters
  }

  static var activity: WorkerActivity {
    var activity = WorkerActivity()
    (activity.answered, activity.readBytes, activity.writtenBytes) = (1, 2, .max)
    activity.errors = [.init(2, 5), .init(.max, .max)]
    return activity
  }

  static func status(_ state: WorkerStatus.State, pid: Int32? = 5) -> WorkerStatus {
    WorkerStatus(
      request: request, state: state, pid: pid, connection: 77, restarts: 3, startedAt: pid == nil ? nil : 8,
      history: WorkerHistory(
        deaths: deaths, longestPause: 9, totalPause: .max,
        counts: Dictionary(uniqueKeysWithValues: WorkerExit.Kind.allCases.map { ($0, UInt64($0.rawValue.count)) })),
      revision: 6)
  }

  static let deaths: [WorkerDeath] = [
    .exited(code: -1), .exited(code: 7), .signaled(9), .outOfMemory(limitBytes: .max), .outOfMemory(limitBytes: 0),
    .unanswering(seconds: 30), .replaced, .disconnected, .notServing(reason: "why"), .unknown,
  ].enumerated().map { WorkerDeath(exit: $1, pid: Int32($0), moment: .max - UInt64($0)) }

  static let statuses = [
    status(.starting, pid: nil), status(.ready), status(.failed(reason: "it is gone")), status(.stopping),
    status(.interrupted(reason: "it comes back")), keptStatus, storeStatus,
  ]

  private static var storeStatus: WorkerStatus {
    var status = status(.ready)
    status.request = storeRequest
    status.counters = counters
    status.activity = activity
    status.residentBytes = 31
    status.credentialProblem = "the store does not know the key"
    return status
  }

  private static var keptStatus: WorkerStatus {
    var status = status(.ready)
    status.custody = CustodyReport(custodians: ["plugin (pid 3)", "parent"], missing: ["worker"])
    return status
  }

  static let errors: [MounterError] =
    UnderFileSystemRefusal.allCases.map {
      .underFileSystemRefused($0, sentence: "there is no such bucket: \($0)")
    } + [
      .underFileSystemAbsent(path: "/a"), .underFileSystemNotADirectory(path: "/b"),
      .underFileSystemNotPermitted(path: "/c"), .underFileSystemOutsideRoots(path: "/d"), .noFileRoots(path: "/e"),
      .underFileSystemNotServed(scheme: "oss"), .incompatible(key: key, difference: "uid"),
      .busy(key: key, holders: [.process(pid: 3, program: "sh"), .mount(at: "/m")]), .notMounted(key),
      .deadline(step: "waiting"), .workerFailed(reason: "no", output: ["line", ""]), .protocolVersion(reason: "old"),
      .malformed(reason: "bytes"), .custodyRefused(key: key, reason: "stale"), .shuttingDown,
      .system(.ioError, step: "mounting"),
    ]

  static let calls: [CallMessage.Call] = [
    .hello(version: 9, program: "test 1"), .ensureMounted(request), .ensureMounted(storeRequest),
    .ensureMounted(plainStoreRequest), .unmount(key, abandoningUsers: true),
    .unmount(key, abandoningUsers: false), .status(key), .list, .subscribe, .refreshSecrets(key),
    .updateOptions(key, options), .updateOptions(key, WorkerOptions()), .shutdown(unmountingAll: true),
    .shutdown(unmountingAll: false), .keepCustody, .offerCustody(held),
    .offerNode(node), .takeOver, .handOver(key), .endTakeOver, .unknown,
  ]

  static let replies: [ReplyMessage.Reply] =
    [
      .hello(.init(version: 1, oldestVersion: 1, program: "mounter", pid: 4)), .done, .custody(held), .node(node),
      .withdraw(key),
      .unknown,
    ]
    + statuses.map { .status($0) } + statuses.map { .event($0) } + errors.map { .failed($0) }

  static let commands: [CommandMessage.Command] = [
    .configuration(
      .init(
        request: request, fuseInit: [0, 1, 255, 0], granted: 1 << 63, generation: 2,
        log: LogOptions(level: .trace, format: .json))),
    .configuration(
      .init(
        request: storeRequest, fuseInit: [], granted: 0, generation: 1, log: LogOptions(),
        startTimeoutMilliseconds: .max, trace: TraceID())),
    .drain(timeoutMilliseconds: 5), .stop(timeoutMilliseconds: .max), .updateOptions(options),
    .updateSecrets(revision: .max), .ping,
    .backingOpened(call: .max, id: 7, error: 0), .backingOpened(call: 1, id: 0, error: 40),
    .unknown,
  ]

  static let reports: [WorkerReport?] =
    [
      .ready, .failed(reason: "why"), .progress("what"), .completed, .answered,
      .work(WorkerProgress(answered: .max, working: 3, oldestMilliseconds: 5)), .holdNode(.max), .releaseNode(3),
      .openBacking(.max, call: 9),
      .closeBacking(4, 5), .counters(VolumeCounters()), .counters(counters), .activity(WorkerActivity()),
      .activity(activity), .credentials(revision: 3, problem: nil),
      .credentials(revision: .max, problem: "the store does not know the key"), nil,
    ] + UnderFileSystemRefusal.allCases.map { .refused($0, reason: "why") }

  static let held = VolumeCustody(status: statuses[1], fuseInit: [1, 0, 2], granted: 5, generation: 7)

  static let node = NodeCustody(key: key, node: .max, isReleased: true)

  /// A packet with the function that reads it again.
  struct Sample: Sendable {
    var bytes: [UInt8]
    var read: @Sendable ([UInt8]) throws -> Void
  }

  /// Every packet.
  static var packets: [Sample] {
    var samples: [Sample] = []
    for call in calls {
      samples.append(Sample(bytes: Wire.encode(CallMessage(id: 3, call: call))) { _ = try Wire.call($0) })
    }
    for reply in replies {
      samples.append(Sample(bytes: Wire.encode(ReplyMessage(id: 3, reply: reply))) { _ = try Wire.reply($0) })
    }
    for command in commands {
      samples.append(Sample(bytes: Wire.encode(CommandMessage(id: 3, command: command))) { _ = try Wire.command($0) })
    }
    for report in reports {
      samples.append(Sample(bytes: Wire.encode(ReportMessage(id: 3, report: report))) { _ = try Wire.report($0) })
    }
    let kept = ParentMessage(body: .volume(held))
    samples.append(Sample(bytes: Wire.encodeToParent(kept)) { _ = try Wire.messageToParent($0) })
    samples.append(Sample(bytes: Wire.encodeFromParent(kept)) { _ = try Wire.messageFromParent($0) })
    samples.append(Sample(bytes: Wire.encode(VolumeSecrets(["a": "b", "": "c"]))) { _ = try Wire.secrets($0) })
    return samples
  }
}
