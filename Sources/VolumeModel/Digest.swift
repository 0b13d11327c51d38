internal import CMessageDigest

/// SHA-256 (FIPS 180-4) and MD5 (RFC 1321), by libmd.
package enum Digest {
  /// 64 lower-case hexadecimal digits.
  package static func sha256Hex(_ text: String) -> String { hex(sha256(Array(text.utf8))) }

  /// 32 bytes.
  package static func sha256(_ bytes: [UInt8]) -> [UInt8] {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finish()
  }

  /// 16 bytes. Only where a protocol asks for it, as `Content-MD5` and the tags of S3 objects do.
  package static func md5(_ bytes: [UInt8]) -> [UInt8] {
    var context = MD5_CTX()
    var output = [UInt8](repeating: 0, count: Int(MD5_DIGEST_LENGTH))
    // SAFETY: libmd reads `count` bytes of the input and writes 16 bytes.
    unsafe MD5Init(&context)
    unsafe bytes.withUnsafeBufferPointer { unsafe MD5Update(&context, $0.baseAddress, $0.count) }
    unsafe MD5Final(&output, &context)
    return output
  }

  /// HMAC with SHA-256, 32 bytes. RFC 2104.
  package static func hmacSHA256(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
    let block = 64
    var padded = key.count > block ? sha256(key) : key
    padded += [UInt8](repeating: 0, count: block - padded.count)
    let inner = sha256(padded.map { $0 ^ 0x36 } + message)
    return sha256(padded.map { $0 ^ 0x5C } + inner)
  }

  /// Two lower-case digits for each byte.
  package static func hex(_ bytes: some Sequence<UInt8>) -> String {
    func digit(_ value: UInt8) -> UInt8 { value + (value < 10 ? 0x30 : 0x57) }
    var digits: [UInt8] = []
    digits.reserveCapacity(2 * bytes.underestimatedCount)
    for byte in bytes {
      digits.append(digit(byte >> 4))
      digits.append(digit(byte & 15))
    }
    return String(decoding: digits, as: UTF8.self)
  }
}

/// SHA-256 of what comes in parts.
package struct SHA256: Sendable {
  private var context = SHA2_CTX()

  package init() {
    // SAFETY: libmd writes one context.
    unsafe SHA256Init(&context)
  }

  /// Adds the next bytes.
  package mutating func update(_ bytes: RawSpan) {
    // SAFETY: libmd reads `count` bytes; without any there may be no address.
    unsafe bytes.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      unsafe SHA256Update(&context, start.assumingMemoryBound(to: UInt8.self), bytes.count)
    }
  }

  /// The same of an array.
  package mutating func update(_ bytes: [UInt8]) {
    // SAFETY: bytes without padding.
    unsafe update(bytes.span.bytes)
  }

  /// The 32 bytes of all that was added. The value is of no use afterwards.
  package mutating func finish() -> [UInt8] {
    var output = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    // SAFETY: libmd writes 32 bytes.
    unsafe SHA256Final(&output, &context)
    return output
  }
}
