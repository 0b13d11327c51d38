package import VolumeModel

/// Where the requests for one bucket go, and what they are signed for.
package struct Endpoint: Sendable, Hashable {
  /// How the bucket is named.
  package enum Addressing: Sendable, Hashable { case virtualHost, path }

  /// Which service answers; OSS speaks S3's protocol with its own names.
  package enum Service: Sendable, Hashable { case s3, oss }

  /// What is reached, and how the bucket is named there.
  package let service: Service
  package let bucket: String
  package let addressing: Addressing
  /// Region that requests are signed for.
  package private(set) var region: String
  /// As it was at first, whatever the service named since.
  package let firstRegion: String
  /// Whether somebody said which region it is; else it is a guess that the server corrects.
  package private(set) var isRegionKnown: Bool
  /// Without the bucket.
  package private(set) var address: ObjectStoreAddress
  /// Whether the address follows from the region, as Amazon's do.
  private let isAmazons: Bool

  /// - Parameters:
  ///   - path: an s3:// or oss:// path; its prefix means nothing here.
  ///   - properties: of the volume; `address` is there for oss://, or Amazon's rules apply.
  ///   - defaultRegion: of the environment or the configuration file, where the properties have none.
  package init(_ path: UnderFileSystemURI, _ properties: ObjectStoreProperties, defaultRegion: String? = nil) {
    service = path.scheme == .oss ? .oss : .s3
    bucket = path.authority
    let isOSS = path.scheme == .oss
    let given = properties.address.map { isOSS ? Self.compatible($0) : $0 }
    let named = given.flatMap { Self.region(in: $0.host) }
    let region = properties.endpointRegion ?? properties.region ?? named ?? defaultRegion
    self.region = region ?? Self.guessedRegion
    firstRegion = region ?? Self.guessedRegion
    isRegionKnown = region != nil
    isAmazons = given == nil
    address = given ?? Self.amazons(region ?? Self.guessedRegion)
    addressing = Self.addressing(of: bucket, at: address, isPathStyle: properties.isPathStyle)
  }

  /// Amazon's first region, which knows about all others; services that have none take it too.
  static let guessedRegion = "us-east-1"

  static func amazons(_ region: String) -> ObjectStoreAddress {
    ObjectStoreAddress(host: "s3.\(region).amazonaws.com" + (region.hasPrefix("cn-") ? ".cn" : ""))
  }

  /// A bucket with a dot fits no wildcard certificate, addresses and single names have none beneath them, and the owner may
  /// say so. OSS refuses the path style, so that only where no host name can be made is it used there.
  private static func addressing(
    of bucket: String, at address: ObjectStoreAddress, isPathStyle: Bool
  ) -> Addressing {
    let hasDot = bucket.utf8.contains(UInt8(ascii: "."))
    let isImpossible = address.isNumeric || address.isSingleLabel || (hasDot && address.isSecure)
    return isPathStyle || isImpossible ? .path : .virtualHost
  }

  /// OSS answers S3's protocol at names of its own: `s3.oss-REGION.aliyuncs.com` for `oss-REGION.aliyuncs.com`.
  private static func compatible(_ address: ObjectStoreAddress) -> ObjectStoreAddress {
    guard address.host.hasPrefix("oss-"), address.host.hasSuffix(".aliyuncs.com") else { return address }
    return ObjectStoreAddress(isSecure: address.isSecure, host: "s3." + address.host, port: address.port)
  }

  /// The region that a known service's host name carries: `s3.eu-west-1.amazonaws.com`, `s3-eu-west-1.amazonaws.com`,
  /// `oss-cn-hangzhou-internal.aliyuncs.com`.
  static func region(in host: String) -> String? {
    let labels = host.split(separator: ".").map(String.init)
    if host.hasSuffix(".amazonaws.com") || host.hasSuffix(".amazonaws.com.cn") {
      let own = labels.prefix { $0 != "amazonaws" }.filter { $0 != "dualstack" }
      guard let place = own.firstIndex(where: { $0 == "s3" || $0.hasPrefix("s3-") }) else { return nil }
      if own[place] == "s3-accelerate" { return nil }
      if place + 1 < own.count { return own[place + 1] }
      return own[place] == "s3" ? guessedRegion : String(own[place].dropFirst(3))
    }
    guard host.hasSuffix(".aliyuncs.com"), let label = labels.first(where: { $0.hasPrefix("oss-") }),
      !label.hasPrefix("oss-accelerate")
    else { return nil }
    let name = String(label.dropFirst(4))
    return name.hasSuffix("-internal") ? String(name.dropLast("-internal".count)) : name
  }

  /// Takes the region that the server named.
  /// - Returns: false where it is no region's name, or the one that was used: asking again would change nothing.
  package mutating func learn(region learned: String) -> Bool {
    guard ObjectStoreProperties.isRegion(learned), learned != region else { return false }
    region = learned
    isRegionKnown = true
    // The host follows only where it was ours to choose. Whatever host an answer names, signed requests do not go there.
    if isAmazons { address = Self.amazons(learned) }
    return true
  }

  /// As it stands in the Host field and in the URL.
  package var authority: String {
    addressing == .virtualHost ? "\(bucket).\(address.authority)" : address.authority
  }

  /// The encoded path of an object, or of the bucket.
  package func path(of key: ObjectKey?) -> String {
    let name = key.map { PercentEncoding.encode($0.bytes, keepingSlashes: true) } ?? ""
    return addressing == .virtualHost ? "/\(name)" : key == nil ? "/\(bucket)" : "/\(bucket)/\(name)"
  }

  /// The URL of a path and a sorted, encoded query.
  func url(path: String, query: String) -> String {
    "\(address.isSecure ? "https" : "http")://\(authority)\(path)" + (query.isEmpty ? "" : "?\(query)")
  }
}
