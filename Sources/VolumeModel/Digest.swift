internal import CMessageDigest

/// SHA-256 (FIPS 180-4) of names, by libmd.
package enum Digest {
  /// 64 lower-case hexadecimal digits.
  package static func sha256Hex(_ text: String) -> String {
    var output = [CChar](repeating: 0, count: 2 * Int(SHA256_DIGEST_LENGTH) + 1)
    let input = Array(text.utf8)
    // SAFETY: libmd reads `count` bytes of `input` and writes 64 digits and a NUL.
    _ = unsafe input.withUnsafeBufferPointer { bytes in
      unsafe output.withUnsafeMutableBufferPointer { unsafe SHA256Data(bytes.baseAddress, bytes.count, $0.baseAddress) }
    }
    return String(decoding: output.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
