internal import CCurl

/// What all transfers of a client have in common, in memory that the library may point to.
final class TransferSettings {
  let configuration: HTTPConfiguration
  let library: CurlLibrary
  /// Addresses of names, or nil.
  let addresses: UnsafeMutablePointer<curl_slist>?
  /// PEM certificates of authorities, or empty.
  let certificates: UnsafeMutableRawBufferPointer
  /// The client's own certificates and their key, or empty.
  let identity: (certificates: UnsafeMutableRawBufferPointer, key: UnsafeMutableRawBufferPointer)

  init(_ configuration: HTTPConfiguration, library: CurlLibrary) {
    self.configuration = configuration
    self.library = library
    var list: UnsafeMutablePointer<curl_slist>?
    // SAFETY: the list and the copy of the certificates live as long as this, so longer than all transfers.
    for address in configuration.addresses {
      if let longer = library.functions.pointee.slist_append(list, address) { list = longer }
    }
    addresses = list
    let authorities: [UInt8]? = if case .pem(let bytes) = configuration.authorities { bytes } else { nil }
    certificates = Self.copy(authorities)
    identity = (Self.copy(configuration.identity?.certificates), Self.copy(configuration.identity?.key))
  }

  /// Bytes that stay where they are; without an address where there are none to copy.
  private static func copy(_ bytes: [UInt8]?) -> UnsafeMutableRawBufferPointer {
    guard let bytes else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    copy.copyBytes(from: bytes)
    return copy
  }

  deinit {
    library.functions.pointee.slist_free_all(addresses)
    certificates.deallocate()
    identity.certificates.deallocate()
    identity.key.deallocate()
  }
}
