internal import CCurl
internal import LinuxSystem

/// A transfer while the library has it: its easy handle and what the callbacks need. Belongs to the client's thread.
final class ActiveTransfer {
  /// Where the request is.
  enum Phase { case connecting, sending, waiting, receiving }

  let transfer: HTTPTransfer
  let handle: UnsafeMutableRawPointer
  let endpoint: Endpoint
  private let library: CurlLibrary
  private let settings: TransferSettings
  /// The library writes its own words about an error here.
  let errorText: UnsafeMutablePointer<CChar>
  /// The request's fields; freed with this.
  var fields: UnsafeMutablePointer<curl_slist>?

  private let started = Deadline.now
  /// The last sign of life in either direction.
  private var lastSign = Deadline.now
  private(set) var phase = Phase.connecting
  /// Whether the request was begun on some connection.
  private(set) var wasSent = false
  /// Why a callback ended the transfer.
  private var failure: HTTPError?

  /// Bytes of the request's body.
  let bodyLength: UInt64
  private var offset: UInt64 = 0
  private var parser = HeadParser()
  private var isPaused = false
  /// The sink asked for a pause when it got the head: the body has to wait.
  private var pausesBeforeBody = false
  /// Bytes that the sink took before it asked for a pause: the library gives them again.
  private var taken = 0

  /// - Parameter handle: as new; stays the caller's.
  /// - Throws: `.invalid`.
  init(_ transfer: HTTPTransfer, handle: UnsafeMutableRawPointer, settings: TransferSettings) throws(HTTPError) {
    guard let endpoint = Endpoint(transfer.request.url) else {
      throw HTTPError(.invalid, "the URL of the request is no URL of HTTP, or holds characters that must be encoded")
    }
    self.transfer = transfer
    self.handle = handle
    self.endpoint = endpoint
    self.settings = settings
    library = settings.library
    bodyLength =
      switch transfer.request.body {
      case .none: 0
      case .bytes(let bytes): UInt64(bytes.count)
      case .source(let source): source.length
      }
    errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
    errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    try setOptions(settings)
  }

  deinit {
    library.functions.pointee.slist_free_all(fields)
    errorText.deallocate()
  }

  /// The transfer that a handle belongs to.
  static func of(_ handle: UnsafeMutableRawPointer, _ library: CurlLibrary) -> ActiveTransfer? {
    var context: UnsafeMutableRawPointer?
    guard ccurl_get_pointer(library.functions, handle, &context) == CURLE_OK else { return nil }
    return of(context)
  }

  /// The transfer behind the context of a callback.
  static func of(_ context: UnsafeMutableRawPointer?) -> ActiveTransfer? {
    // SAFETY: the context was made of a transfer that the loop keeps until its handle has left the library.
    context.map { Unmanaged<ActiveTransfer>.fromOpaque($0).takeUnretainedValue() }
  }

  /// By when something must happen, and what it is.
  var deadline: (Deadline, HTTPError.Phase) {
    let timeouts = transfer.request.timeouts
    let total = timeouts.total.map { started.advanced(by: $0) } ?? .never
    let (limit, phase): (Duration?, HTTPError.Phase) =
      switch self.phase {
      case .connecting: (nil, .connect)
      case .sending: (timeouts.stall, .stall)
      case .waiting: (timeouts.response, .response)
      case .receiving: (isPaused ? nil : timeouts.stall, .stall)
      }
    let own = limit.map { lastSign.advanced(by: $0) } ?? .never
    return own < total ? (own, phase) : (total, .total)
  }

  /// Lets the library deliver again.
  /// - Returns: why that failed.
  func resume() -> HTTPError? {
    pausesBeforeBody = false
    guard isPaused else { return nil }
    isPaused = false
    lastSign = .now
    // The sink may be called in here.
    let code = library.functions.pointee.easy_pause(handle, CURLPAUSE_CONT)
    guard code != CURLE_OK, case .failure(let error) = result(code) else { return nil }
    return error
  }

  /// Connections that were made for it.
  var connectionsMade: Int {
    var count = 0
    return ccurl_get_long(library.functions, handle, CURLINFO_NUM_CONNECTS, &count) == CURLE_OK ? count : 0
  }

  /// What the library's code means.
  func result(_ code: CURLcode) -> Result<HTTPResponseHead, HTTPError> {
    if let failure { return .failure(failure) }
    if code == CURLE_OK, let head = parser.head { return .success(head) }
    return .failure(error(code, hasHead: parser.head != nil, library))
  }
}

// What the library calls.
extension ActiveTransfer {
  /// The request is about to be sent, on a new connection or a kept one, for the first time or once more.
  func begin() -> Bool {
    guard !wasSent || transfer.request.mayBeResent else {
      failure = error(.reset, "the kept connection was closed, and this request may not be sent twice")
      return false
    }
    wasSent = true
    parser = HeadParser()
    offset = 0
    phase = bodyLength > 0 ? .sending : .waiting
    lastSign = .now
    return true
  }

  /// Gives the next bytes of the request's body.
  /// - Returns: how many; nil ends the transfer.
  func send(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
    lastSign = .now
    let wanted = Int(min(UInt64(buffer.count), bodyLength - offset))
    let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
    var count = 0
    switch transfer.request.body {
    case .none: break
    case .bytes(let bytes):
      bytes.withUnsafeBytes {
        part.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[Int(offset)...].prefix(wanted)))
      }
      count = wanted
    case .source(let source):
      if wanted > 0 {
        guard let read = read(source, into: part) else { return nil }
        count = read
      }
    }
    offset += UInt64(count)
    if offset == bodyLength, phase == .sending { phase = .waiting }
    return count
  }

  private func read(_ source: any HTTPBodySource, into part: UnsafeMutableRawBufferPointer) -> Int? {
    do {
      var span = part.mutableBytes
      let count = try source.read(into: &span, at: offset)
      if count > 0 { return count }
      failure = error(.source, "it ended after \(offset) of \(bodyLength) bytes")
    } catch {
      failure = self.error(.source, "\(error)")
    }
    return nil
  }

  /// The library has to send from elsewhere: again from the start, as a rule.
  func seek(to position: Int64) -> Bool {
    guard let position = UInt64(exactly: position), position <= bodyLength else { return false }
    offset = position
    if offset < bodyLength, phase == .waiting { phase = .sending }
    return true
  }

  /// Takes one line of a head.
  /// - Returns: false ends the transfer.
  func receive(line: UnsafeRawBufferPointer) -> Bool {
    lastSign = .now
    let isComplete = parser.head != nil
    guard parser.add(line) else {
      failure = error(.protocol, "what came is no HTTP")
      return false
    }
    guard parser.byteCount <= settings.configuration.headLimit else {
      failure = error(.tooLarge, "its head is longer than \(settings.configuration.headLimit) bytes")
      return false
    }
    guard let head = parser.head, !isComplete else { return true }
    phase = .receiving
    switch transfer.sink.receive(head: head) {
    case .go: return true
    case .pause:
      pausesBeforeBody = true
      return true
    case .stop:
      failure = error(.cancelled)
      return false
    }
  }

  /// Takes bytes of the body.
  /// - Returns: what the write callback has to return.
  func receive(_ bytes: UnsafeRawBufferPointer) -> Int {
    lastSign = .now
    if pausesBeforeBody {
      isPaused = true
      return Int(CURL_WRITEFUNC_PAUSE)
    }
    let known = min(taken, bytes.count)
    taken -= known
    guard known < bytes.count else { return bytes.count }
    switch transfer.sink.receive(UnsafeRawBufferPointer(rebasing: bytes[known...]).bytes) {
    case .go: return bytes.count
    case .pause:
      // What the library is told not to have delivered, it delivers again.
      taken = bytes.count
      isPaused = true
      return Int(CURL_WRITEFUNC_PAUSE)
    case .stop:
      failure = error(.cancelled)
      return bytes.count + 1
    }
  }
}
