internal import CCurl

/// What all transfers of a client have in common, in memory that the library may point to.
final class TransferSettings {
  let configuration: HTTPConfiguration
  let library: CurlLibrary
  /// Addresses of names, or nil.
  let addresses: UnsafeMutablePointer<curl_slist>?
  /// PEM certificates, or empty.
  let certificates: UnsafeMutableRawBufferPointer

  init(_ configuration: HTTPConfiguration, library: CurlLibrary) {
    self.configuration = configuration
    self.library = library
    var list: UnsafeMutablePointer<curl_slist>?
    // SAFETY: the list and the copy of the certificates live as long as this, so longer than all transfers.
    for address in configuration.addresses {
      if let longer = library.functions.pointee.slist_append(list, address) { list = longer }
    }
    addresses = list
    if case .pem(let bytes) = configuration.authorities {
      certificates = .allocate(byteCount: bytes.count, alignment: 1)
      certificates.copyBytes(from: bytes)
    } else {
      certificates = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }
  }

  deinit {
    library.functions.pointee.slist_free_all(addresses)
    certificates.deallocate()
  }
}
