import Foundation

/// Requests as curl makes them: what a program without a file system would get of the same server.
struct Curl {
  let server: ObjectServer
  /// Where configuration files are written.
  let work: String

  struct Request {
    /// Path and query, sorted and encoded.
    var target: String
    var range: Range<Int>?
    /// A file to be sent.
    var upload: String?
    /// Of the file that is sent; nil: all of it.
    var method: String?
  }

  /// Runs one process with all requests, on kept connections, and throws their answers away.
  /// - Parameters:
  ///   - parallel: requests at a time; 1: one after the other.
  /// - Returns: what `format` writes for each.
  @discardableResult
  func run(_ requests: [Request], parallel: Int = 1, format: String = "") throws -> [String] {
    var text = parallel > 1 ? "parallel\nparallel-max = \(parallel)\nparallel-immediate\nno-progress-meter\n" : ""
    for (index, request) in requests.enumerated() {
      if index > 0 { text += "next\n" }
      text += "url = \"\(server.url)/\(request.target)\"\noutput = \"/dev/null\"\nsilent\nshow-error\nfail\n"
      text += "aws-sigv4 = \"aws:amz:us-east-1:s3\"\n"
      text += "user = \"\(ObjectServer.accessKey):\(ObjectServer.secretKey)\"\n"
      text += "header = \"x-amz-content-sha256: UNSIGNED-PAYLOAD\"\n"
      if let range = request.range { text += "range = \"\(range.lowerBound)-\(range.upperBound - 1)\"\n" }
      if let upload = request.upload { text += "upload-file = \"\(upload)\"\nexpect100-timeout = 0.1\n" }
      if let method = request.method { text += "request = \"\(method)\"\n" }
      if !format.isEmpty { text += "write-out = \"\(format)\\n\"\n" }
    }
    let file = "\(work)/curl.conf"
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    let output = try Command.output("curl", ["--config", file])
    return String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// An object in ranges.
  func read(_ bucket: String, _ key: String, size: Int, part: Int, parallel: Int) throws {
    let ranges = stride(from: 0, to: size, by: part).map { $0..<min(size, $0 + part) }
    try run(ranges.map { Request(target: "\(bucket)/\(key)", range: $0) }, parallel: parallel)
  }

  /// Targets of the requests that list a flat bucket. What a page says of the next one is known beforehand here.
  static func listing(_ bucket: String, _ count: Int, isStatic: Bool) -> [Request] {
    (0..<(count + 999) / 1000).map { page in
      let fixed = "delimiter=%2F&encoding-type=url&list-type=2&max-keys=1000&prefix="
      if page == 0 { return Request(target: "\(bucket)?\(fixed)") }
      if isStatic { return Request(target: "\(bucket)?continuation-token=\(page)&\(fixed)") }
      return Request(target: "\(bucket)?\(fixed)&start-after=\(ObjectData.listedName(page * 1000 - 1))")
    }
  }
}
