/// `directoryPattern`: the name of a volume's directory beneath the UFS path, with variables of the claim.
///
/// What comes out is one safe file name that holds the volume id, so that no two volumes share a directory.
package struct DirectoryPattern: Sendable, Hashable {
  package static let standard = "${pvc.namespace}-${pvc.name}-${volume.id}"

  package enum Variable: String, Sendable, CaseIterable {
    case claimNamespace = "pvc.namespace"
    case claimName = "pvc.name"
    case volumeName = "pv.name"
    case volumeID = "volume.id"

    var spelling: String { "${\(rawValue)}" }
    static let allSpellings = allCases.map(\.spelling).joined(separator: ", ")

    /// The parameter of the provisioner's `--extra-create-metadata` that has the value; nil for the id.
    package var metadataKey: String? {
      switch self {
      case .claimNamespace: VolumeContextKey.claimNamespace
      case .claimName: VolumeContextKey.claimName
      case .volumeName: VolumeContextKey.volumeName
      case .volumeID: nil
      }
    }
  }

  package enum Part: Sendable, Hashable {
    case text(String)
    case variable(Variable)
  }

  package let parts: [Part]

  package struct ParseError: Error, Hashable, CustomStringConvertible {
    package let reason: String
    package var description: String { reason }
  }

  /// - Throws: for an unknown variable, a slash, a hidden name.
  package init(_ text: String) throws(ParseError) {
    var parts: [Part] = []
    var rest = Array(text.utf8)[...]
    while let dollar = rest.firstIndex(of: UInt8(ascii: "$")) {
      if dollar > rest.startIndex { parts.append(.text(String(decoding: rest[..<dollar], as: UTF8.self))) }
      guard let close = rest[dollar...].firstIndex(of: UInt8(ascii: "}")),
        rest[rest.index(after: dollar)] == UInt8(ascii: "{")
      else { throw ParseError(reason: "has a '$' that begins no variable") }
      let name = String(decoding: rest[(dollar + 2)..<close], as: UTF8.self)
      guard let variable = Variable(rawValue: name) else {
        throw ParseError(reason: "names an unknown variable; known are \(Variable.allSpellings)")
      }
      parts.append(.variable(variable))
      rest = rest[(close + 1)...]
    }
    if !rest.isEmpty { parts.append(.text(String(decoding: rest, as: UTF8.self))) }
    guard !parts.isEmpty else { throw ParseError(reason: "is empty") }
    if !parts.contains(.variable(.volumeID)) { parts += [.text("-"), .variable(.volumeID)] }
    self.parts = parts
    // A dry run with harmless values finds what no claim could make good.
    _ = try expand(volumeID: "id") { _ in "x" }
  }

  /// The name of the volume's directory beneath the UFS path.
  /// - Parameters:
  ///   - volumeID: safe as a file name.
  ///   - metadata: value of a provisioner's key, or nil when the request does not carry it.
  package func expand(volumeID: String, metadata: (String) -> String?) throws(ParseError) -> String {
    var path = ""
    for part in parts {
      switch part {
      case .text(let text): path += text
      case .variable(let variable):
        guard let key = variable.metadataKey else {
          path += volumeID
          continue
        }
        guard let value = metadata(key), !value.isEmpty else {
          throw ParseError(
            reason:
              "needs \(key), which the request lacks; run external-provisioner with --extra-create-metadata or set a "
              + "pattern without \(variable.spelling)"
          )
        }
        path += value
      }
    }
    guard Self.isSafe(path) else {
      throw ParseError(
        reason: "gives a name that is hidden, holds '/' or a control character, or has more than 255 bytes")
    }
    return path
  }

  /// Not hidden (`.` and `..` included), one component, within NAME_MAX, without control characters.
  private static func isSafe(_ name: String) -> Bool {
    guard let first = name.utf8.first, first != UInt8(ascii: "."), name.utf8.count <= 255 else { return false }
    return !name.utf8.contains { $0 < 0x20 || $0 == 0x7F || $0 == UInt8(ascii: "/") }
  }
}
