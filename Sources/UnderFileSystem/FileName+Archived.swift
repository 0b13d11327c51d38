extension FileName {
  /// What a volume's directory is called when it is archived: `archived-NAME`, then `archived-NAME.1` and so on; cut
  /// between characters where it would be longer than a name may be.
  func archived(_ attempt: Int) -> FileName {
    let suffix = attempt == 0 ? [] : Array(".\(attempt)".utf8)
    let whole = Array("archived-".utf8) + bytes
    var end = min(whole.count, 255 - suffix.count)
    while end < whole.count, whole[end] & 0xC0 == 0x80 { end -= 1 }
    return FileName(bytes: whole[..<end] + suffix)
  }
}
