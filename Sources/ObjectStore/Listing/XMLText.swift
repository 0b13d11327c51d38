/// Texts inside the XML that is sent. What XML cannot hold is refused: nobody could read it back.
enum XMLText {
  /// nil where the bytes are not UTF-8 or hold characters that XML 1.0 has no way to write.
  static func escaped(_ bytes: [UInt8]) -> String? {
    guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\r", "\n", "\t": result += "&#\(scalar.value);"
      case _ where scalar.value < 0x20 || scalar.value == 0xFFFE || scalar.value == 0xFFFF: return nil
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// The body of DeleteObjects in quiet form.
  /// - Returns: nil where a key cannot be written; it has to be deleted by a request of its own.
  static func deletion(of keys: [ObjectKey]) -> [UInt8]? {
    var text =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
      + "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
    for key in keys {
      guard let name = escaped(key.bytes) else { return nil }
      text += "<Object><Key>\(name)</Key></Object>"
    }
    return Array((text + "</Delete>").utf8)
  }

  /// The body of CompleteMultipartUpload: parts in ascending order.
  static func completion(of parts: [UploadedPart]) -> [UInt8] {
    var text =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
      + "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
    for part in parts {
      let tag = escaped(Array(part.entityTag.quoted.utf8)) ?? ""
      text += "<Part><PartNumber>\(part.number)</PartNumber><ETag>\(tag)</ETag></Part>"
    }
    return Array((text + "</CompleteMultipartUpload>").utf8)
  }
}

/// A part that the service has.
package struct UploadedPart: Sendable, Hashable {
  /// From 1 to 10,000.
  package let number: Int
  package let entityTag: EntityTag

  package init(number: Int, entityTag: EntityTag) {
    self.number = number
    self.entityTag = entityTag
  }
}
