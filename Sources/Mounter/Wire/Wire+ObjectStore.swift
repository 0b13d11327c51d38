internal import MounterProtocol
internal import ProtobufC
internal import VolumeModel

/// What volumes on object stores have and others have not.
extension ObjectStoreRequest {
  init(wire: borrowing MessageView<Mounter__V1__ObjectStore>) throws(MissingField) {
    let folder = unsafe wire.page_store
    guard folder.hasPrefix("/") else { throw MissingField(name: "mount.object_store.page_store") }
    let size = unsafe wire.page_size
    guard size > 0 else { throw MissingField(name: "mount.object_store.page_size") }
    var properties = ObjectStoreProperties()
    if let address = unsafe wire.address { properties.address = unsafe try ObjectStoreAddress(wire: address) }
    if let region = unsafe wire.region { properties.region = unsafe region.value }
    if let region = unsafe wire.endpoint_region { properties.endpointRegion = unsafe region.value }
    properties.isPathStyle = unsafe wire.flag(\.path_style)
    if let identity = unsafe wire.web_identity { properties.webIdentity = unsafe try WebIdentity(wire: identity) }
    unsafe self.init(
      properties: properties, usesNodeCredentials: wire.flag(\.node_credentials), pageStore: folder,
      pageStoreBytes: wire.page_store_bytes)
    pageSize = size
    cachePassthrough = unsafe wire.flag(\.cache_passthrough)
    if let name = unsafe wire.shared_pages {
      guard let name = SharedPages(name: unsafe name.value) else {
        throw MissingField(name: "mount.object_store.shared_pages")
      }
      sharedPages = name
    }
  }

  func fill(_ wire: MessageBuilder<Mounter__V1__ObjectStore>) {
    if let address = properties.address {
      unsafe address.fill(wire.make(\.address, mounter__v1__object_store__address__init))
    }
    if let region = properties.region {
      unsafe wire.make(\.region, mounter__v1__string_value__init).value = withoutNul(region)
    }
    if let region = properties.endpointRegion {
      unsafe wire.make(\.endpoint_region, mounter__v1__string_value__init).value = withoutNul(region)
    }
    unsafe wire.setFlag(\.path_style, properties.isPathStyle)
    if let identity = properties.webIdentity {
      unsafe identity.fill(wire.make(\.web_identity, mounter__v1__object_store__web_identity__init))
    }
    unsafe wire.setFlag(\.node_credentials, usesNodeCredentials)
    unsafe wire.page_store = withoutNul(pageStore)
    unsafe wire.page_store_bytes = pageStoreBytes
    unsafe wire.page_size = pageSize
    unsafe wire.setFlag(\.cache_passthrough, cachePassthrough)
    if let sharedPages {
      unsafe wire.make(\.shared_pages, mounter__v1__string_value__init).value = withoutNul(sharedPages.name)
    }
  }
}

extension ObjectStoreAddress {
  fileprivate init(wire: borrowing MessageView<Mounter__V1__ObjectStore__Address>) throws(MissingField) {
    let host = unsafe wire.host
    let port = unsafe wire.port
    guard !host.isEmpty, port <= UInt16.max else { throw MissingField(name: "mount.object_store.address") }
    self.init(isSecure: unsafe wire.flag(\.secure), host: host, port: port == 0 ? nil : UInt16(port))
  }

  fileprivate func fill(_ wire: MessageBuilder<Mounter__V1__ObjectStore__Address>) {
    unsafe wire.setFlag(\.secure, isSecure)
    unsafe wire.host = withoutNul(host)
    unsafe wire.port = UInt32(port ?? 0)
  }
}

extension WebIdentity {
  fileprivate init(wire: borrowing MessageView<Mounter__V1__ObjectStore__WebIdentity>) throws(MissingField) {
    let role = unsafe wire.role
    let audience = unsafe wire.audience
    guard !role.isEmpty, !audience.isEmpty else { throw MissingField(name: "mount.object_store.web_identity") }
    self.init(role: role, audience: audience)
    if let address = unsafe wire.endpoint { endpoint = unsafe try ObjectStoreAddress(wire: address) }
  }

  fileprivate func fill(_ wire: MessageBuilder<Mounter__V1__ObjectStore__WebIdentity>) {
    unsafe wire.role = withoutNul(role)
    unsafe wire.audience = withoutNul(audience)
    if let endpoint { unsafe endpoint.fill(wire.make(\.endpoint, mounter__v1__object_store__address__init)) }
  }
}

// MARK: Counters

extension VolumeCounters {
  /// There are fewer kinds of requests, and fewer ways for them to end; what comes from a worker may be anything.
  private static let longestList = 64

  init(wire: borrowing MessageView<Mounter__V1__Counters>) {
    self.init()
    hits = unsafe wire.hits
    misses = unsafe wire.misses
    bytesFromCache = unsafe wire.bytes_from_cache
    bytesFromUnderFileSystem = unsafe wire.bytes_from_ufs
    readAheadWaste = unsafe wire.read_ahead_waste
    evictedPages = unsafe wire.evicted_pages
    cachedBytes = unsafe wire.cached_bytes
    cacheLimit = unsafe wire.cache_limit
    openFiles = unsafe wire.open_files
    memoryInUse = unsafe wire.memory_in_use
    memoryBudget = unsafe wire.memory_budget
    hiddenKeys = unsafe wire.hidden_keys
    let all: [Requests] = unsafe wire.list(\.n_requests, \.requests) { part in
      var kind = Requests(kind: unsafe part.kind)
      let outcomes: [Outcome] = unsafe part.list(\.n_outcomes, \.outcomes) { unsafe Outcome($0.code, $0.count) }
      kind.outcomes = Array(outcomes.prefix(Self.longestList))
      kind.medianMicroseconds = unsafe part.median_us
      kind.p99Microseconds = unsafe part.p99_us
      kind.answered = unsafe part.answered
      kind.totalMicroseconds = unsafe part.total_us
      return kind
    }
    requests = Array(all.prefix(Self.longestList))
    if let problem = unsafe wire.cache_problem { cacheProblem = unsafe problem.value }
  }

  func fill(_ wire: MessageBuilder<Mounter__V1__Counters>) {
    unsafe wire.hits = hits
    unsafe wire.misses = misses
    unsafe wire.bytes_from_cache = bytesFromCache
    unsafe wire.bytes_from_ufs = bytesFromUnderFileSystem
    unsafe wire.read_ahead_waste = readAheadWaste
    unsafe wire.evicted_pages = evictedPages
    unsafe wire.cached_bytes = cachedBytes
    unsafe wire.cache_limit = cacheLimit
    unsafe wire.open_files = openFiles
    unsafe wire.memory_in_use = memoryInUse
    unsafe wire.memory_budget = memoryBudget
    unsafe wire.hidden_keys = hiddenKeys
    unsafe wire.setList(\.n_requests, \.requests, requests, mounter__v1__counters__requests__init) { wire, part in
      unsafe wire.kind = withoutNul(part.kind)
      unsafe wire.setList(\.n_outcomes, \.outcomes, part.outcomes, mounter__v1__counters__outcome__init) { wire, one in
        unsafe wire.code = withoutNul(one.code)
        unsafe wire.count = one.count
      }
      unsafe wire.median_us = part.medianMicroseconds
      unsafe wire.p99_us = part.p99Microseconds
      unsafe wire.answered = part.answered
      unsafe wire.total_us = part.totalMicroseconds
    }
    if let cacheProblem {
      unsafe wire.make(\.cache_problem, mounter__v1__string_value__init).value = withoutNul(cacheProblem)
    }
  }
}

// MARK: Refusals

extension UnderFileSystemRefusal {
  /// Nil where none was sent.
  init?(wire: Mounter__V1__Refusal) {
    switch wire {
    case MOUNTER__V1__REFUSAL__REFUSAL_UNSPECIFIED: return nil
    case MOUNTER__V1__REFUSAL__REFUSAL_ABSENT: self = .absent
    case MOUNTER__V1__REFUSAL__REFUSAL_CREDENTIALS: self = .credentials
    case MOUNTER__V1__REFUSAL__REFUSAL_CONFIGURATION: self = .configuration
    case MOUNTER__V1__REFUSAL__REFUSAL_UNREACHABLE: self = .unreachable
    case MOUNTER__V1__REFUSAL__REFUSAL_FULL: self = .full
    // One of a newer version, too.
    default: self = .other
    }
  }

  var wire: Mounter__V1__Refusal {
    switch self {
    case .absent: MOUNTER__V1__REFUSAL__REFUSAL_ABSENT
    case .credentials: MOUNTER__V1__REFUSAL__REFUSAL_CREDENTIALS
    case .configuration: MOUNTER__V1__REFUSAL__REFUSAL_CONFIGURATION
    case .unreachable: MOUNTER__V1__REFUSAL__REFUSAL_UNREACHABLE
    case .full: MOUNTER__V1__REFUSAL__REFUSAL_FULL
    case .other: MOUNTER__V1__REFUSAL__REFUSAL_OTHER
    }
  }
}
