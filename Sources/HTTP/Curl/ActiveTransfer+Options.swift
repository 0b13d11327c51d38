internal import CCurl

/// Sets options of one handle, and remembers the first that was refused.
private struct Options {
  let functions: UnsafeMutablePointer<ccurl_functions>
  let handle: UnsafeMutableRawPointer
  var refusal: (option: CURLoption, code: CURLcode)?

  mutating func set(_ option: CURLoption, _ value: Int) {
    note(option, ccurl_set_long(functions, handle, option, value))
  }
  mutating func set(_ option: CURLoption, _ value: Bool) { set(option, value ? 1 : 0) }
  mutating func set(_ option: CURLoption, _ value: String?) {
    note(option, ccurl_set_text(functions, handle, option, value))
  }
  mutating func set(_ option: CURLoption, pointer: UnsafeMutableRawPointer?) {
    note(option, ccurl_set_pointer(functions, handle, option, pointer))
  }
  mutating func set(_ option: CURLoption, _ callback: ccurl_bytes_callback) {
    note(option, ccurl_set_bytes_callback(functions, handle, option, callback))
  }
  mutating func note(_ option: CURLoption, _ code: CURLcode) {
    if code != CURLE_OK, refusal == nil { refusal = (option, code) }
  }
}

// How the handle is told what to do. curl_easy_setopt(3).
extension ActiveTransfer {
  /// - Throws: `.invalid` when a part of the request cannot be sent.
  func setOptions(_ settings: TransferSettings) throws(HTTPError) {
    try checkRequest()
    var options = Options(functions: settings.library.functions, handle: handle)
    setLimits(&options)
    setConnection(&options, settings)
    setAuthorities(&options, settings)
    setIdentity(&options, settings)
    setRequest(&options)
    try setFields(&options, settings)
    setCallbacks(&options)
    if let (option, code) = options.refusal {
      throw error(.invalid, "option \(option.rawValue): \(settings.library.text(of: code))")
    }
  }

  /// Refuses what would make two fields of one, or two requests.
  private func checkRequest() throws(HTTPError) {
    let request = transfer.request
    func isToken(_ text: String) -> Bool {
      !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ":") }
    }
    guard isToken(request.method) else { throw error(.invalid, "its method is no word") }
    for field in request.fields {
      guard isToken(field.name), !field.value.utf8.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7f }) else {
        throw error(.invalid, "the field \(field.name.filter { $0.isLetter || $0 == "-" }) holds control characters")
      }
    }
  }

  /// Nothing but what was asked for, from nowhere but where it was asked of.
  private func setLimits(_ options: inout Options) {
    options.set(CURLOPT_NOSIGNAL, true)
    options.set(CURLOPT_PROTOCOLS, Int(CURLPROTO_HTTP | CURLPROTO_HTTPS))
    options.set(CURLOPT_FOLLOWLOCATION, false)
    options.set(CURLOPT_PATH_AS_IS, true)
    options.set(CURLOPT_HTTP_CONTENT_DECODING, false)
    // Without it a name server that does not answer holds the thread, and so all transfers. Older libraries have no such
    // option: its refusal does not matter.
    _ = ccurl_set_long(options.functions, handle, CURLoption(rawValue: UInt32(CCURL_OPTION_QUICK_EXIT)), 1)
  }

  private func setConnection(_ options: inout Options, _ settings: TransferSettings) {
    let configuration = settings.configuration
    let request = transfer.request
    options.set(CURLOPT_URL, request.url)
    let isHTTP2 = configuration.allowsHTTP2 && request.prefersHTTP2
    options.set(CURLOPT_HTTP_VERSION, isHTTP2 ? Int(CURL_HTTP_VERSION_2TLS) : Int(CURL_HTTP_VERSION_1_1))
    // Waits for a connection that may turn out to take many requests, instead of making one each.
    options.set(CURLOPT_PIPEWAIT, isHTTP2)
    let connect = request.timeouts.connect.components
    options.set(
      CURLOPT_CONNECTTIMEOUT_MS, max(1, Int(connect.seconds) * 1000 + Int(connect.attoseconds / 1_000_000_000_000_000)))
    options.set(CURLOPT_MAXAGE_CONN, Int(configuration.idleLifetime.components.seconds))
    options.set(CURLOPT_TCP_KEEPALIVE, true)
    options.set(CURLOPT_BUFFERSIZE, configuration.receiveBuffer)
    // Both always: the library would ask the environment for what is missing.
    let (proxy, except) = configuration.proxy.settings(for: request.url)
    options.set(CURLOPT_PROXY, proxy)
    options.set(CURLOPT_NOPROXY, except)
    // The fields of the request are not for the proxy's ears.
    options.set(CURLOPT_HEADEROPT, Int(CURLHEADER_SEPARATE))
    options.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, true)
    if let addresses = settings.addresses { options.set(CURLOPT_RESOLVE, pointer: addresses) }
  }

  /// A configured authority replaces those of the system, also those of the folder that the library looks into.
  private func setAuthorities(_ options: inout Options, _ settings: TransferSettings) {
    switch settings.configuration.authorities {
    case .system: return
    case .file(let path):
      options.set(CURLOPT_CAINFO, path)
      options.set(CURLOPT_PROXY_CAINFO, path)
    case .pem:
      let bytes = settings.certificates
      guard let start = bytes.baseAddress else { break }
      // SAFETY: the settings outlive the transfer, and the bytes never change.
      for option in [CURLOPT_CAINFO_BLOB, CURLOPT_PROXY_CAINFO_BLOB] {
        options.note(option, ccurl_set_blob(options.functions, handle, option, start, bytes.count))
      }
    }
    options.set(CURLOPT_CAPATH, nil as String?)
    options.set(CURLOPT_PROXY_CAPATH, nil as String?)
  }

  /// The certificate that the client shows, and its key.
  private func setIdentity(_ options: inout Options, _ settings: TransferSettings) {
    let (certificates, key) = settings.identity
    guard let certificateStart = certificates.baseAddress, let keyStart = key.baseAddress else { return }
    // SAFETY: the settings outlive the transfer, and the bytes never change.
    for (option, start, count) in [
      (CURLOPT_SSLCERT_BLOB, certificateStart, certificates.count), (CURLOPT_SSLKEY_BLOB, keyStart, key.count),
    ] { options.note(option, ccurl_set_blob(options.functions, handle, option, start, count)) }
    options.set(CURLOPT_SSLCERTTYPE, "PEM")
    options.set(CURLOPT_SSLKEYTYPE, "PEM")
  }

  private func setRequest(_ options: inout Options) {
    let request = transfer.request
    let isEmpty = if case .none = request.body { true } else { false }
    if !isEmpty || ["PUT", "POST", "PATCH"].contains(request.method) {
      options.set(CURLOPT_UPLOAD, true)
      options.note(
        CURLOPT_INFILESIZE_LARGE,
        ccurl_set_size(options.functions, handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(clamping: bodyLength)))
      options.set(CURLOPT_CUSTOMREQUEST, request.method)
    } else if request.method == "HEAD" {
      options.set(CURLOPT_NOBODY, true)
    } else if request.method != "GET" {
      options.set(CURLOPT_CUSTOMREQUEST, request.method)
    }
  }

  private func setFields(_ options: inout Options, _ settings: TransferSettings) throws(HTTPError) {
    var lines = transfer.request.fields.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
    // The library would wait a second for the server's leave to send a long body: who wants that says so.
    if !transfer.request.fields.contains(where: { $0.isNamed("Expect") }) { lines.append("Expect:") }
    for line in lines {
      guard let longer = settings.library.functions.pointee.slist_append(fields, line) else {
        throw error(.other, "there is no memory for its fields")
      }
      fields = longer
    }
    options.set(CURLOPT_HTTPHEADER, pointer: fields)
    options.set(CURLOPT_USERAGENT, settings.configuration.userAgent)
  }

  private func setCallbacks(_ options: inout Options) {
    // SAFETY: the loop keeps this object until the handle has left the library; reset handles know nothing of it.
    let context = Unmanaged.passUnretained(self).toOpaque()
    for option in [
      CURLOPT_PRIVATE, CURLOPT_WRITEDATA, CURLOPT_HEADERDATA, CURLOPT_READDATA, CURLOPT_SEEKDATA, CURLOPT_PREREQDATA,
    ] { options.set(option, pointer: context) }
    options.set(CURLOPT_ERRORBUFFER, pointer: errorText)
    options.set(CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
      ActiveTransfer.of(context)?.receive(UnsafeRawBufferPointer(start: bytes, count: size * count)) ?? 0
    }
    options.set(CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
      let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
      return ActiveTransfer.of(context)?.receive(line: line) == true ? size * count : 0
    }
    options.set(CURLOPT_READFUNCTION) { bytes, size, count, context in
      let buffer = UnsafeMutableRawBufferPointer(start: bytes, count: size * count)
      return ActiveTransfer.of(context)?.send(into: buffer) ?? Int(CURL_READFUNC_ABORT)
    }
    let seek = ccurl_set_seek_callback(options.functions, handle) { context, offset, origin in
      // From the start (SEEK_SET): the library asks for nothing else.
      guard origin == 0, ActiveTransfer.of(context)?.seek(to: Int64(offset)) == true else { return CURL_SEEKFUNC_FAIL }
      return CURL_SEEKFUNC_OK
    }
    options.note(CURLOPT_SEEKFUNCTION, seek)
    let begin = ccurl_set_request_callback(options.functions, handle) { context, _, _, _, _ in
      ActiveTransfer.of(context)?.begin() == true ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
    }
    options.note(CURLOPT_PREREQFUNCTION, begin)
  }
}
