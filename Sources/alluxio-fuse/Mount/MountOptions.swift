import LinuxSystem
import VolumeModel

/// What `-o` and the source say, checked by the rules of a volume's attributes.
struct MountOptions {
  var source: UnderFileSystemURI
  var worker: WorkerOptions
  /// Of s3:// and oss://; nil for a directory.
  var objects: ObjectMountOptions?
  /// Of the mount itself.
  var flags: LinuxSystem.MountFlags = .volume

  /// - Parameter options: each several options joined by commas.
  init(source text: String, options: [String]) throws(MountProblem) {
    do { source = try UnderFileSystemURI(parsing: text) } catch { throw .badSource("\(error)") }
    var own = source.scheme == .file ? nil : ObjectMountOptions(source.scheme)
    var entries = [VolumeContextKey.path.name: text]
    var others: [String] = []
    for option in options.flatMap({ $0.split(separator: ",") }).map(String.init) {
      let halves = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let value = halves.count == 2 ? halves[1] : nil
      if try own?.take(halves[0], value) == true { continue }
      if let value, let key = VolumeContextKey.named(own?.longName(halves[0]) ?? halves[0]) {
        entries[key.name] = value
      } else if value == nil, let key = own?.longName(halves[0]) {
        entries[key] = "true"
      } else {
        others.append(option)
      }
    }
    do throws(VolumeContextError) {
      let context = try VolumeContext(
        parsing: entries, from: .attributes, schemes: Set(UnderFileSystemURI.Scheme.allCases))
      worker = context.options
      own?.properties = try ObjectStoreProperties(context.values, of: source)
      let mount = try VolumeModel.MountFlags(others)
      try mount.apply(to: &worker)
      if mount.noExec { flags.insert(.noExecute) }
    } catch {
      throw .badOption("\(error)")
    }
    objects = own
  }
}

/// Options of a person's mount that only object stores have, and their short names.
struct ObjectMountOptions {
  private let scheme: UnderFileSystemURI.Scheme
  var properties = ObjectStoreProperties()
  /// Folder on local disk where pages are kept from one mount to the next; nil: none are.
  var cache: String?
  /// Bytes of all pages, and of one.
  var cacheBytes: UInt64 = 10 << 30
  var pageSize: UInt32 = 1 << 20

  init(_ scheme: UnderFileSystemURI.Scheme) { self.scheme = scheme }

  /// The documented name of a volume's attribute for a short one; nil for any other text.
  func longName(_ name: String) -> String? {
    switch (name, scheme) {
    case ("endpoint", .oss): VolumeContextKey.ossEndpoint.name
    case ("endpoint", _): VolumeContextKey.s3Endpoint.name
    case ("region", .s3): VolumeContextKey.s3Region.name
    case ("path-style", .s3): VolumeContextKey.s3PathStyle.name
    default: nil
    }
  }

  /// - Returns: whether the option is one of these.
  mutating func take(_ name: String, _ value: String?) throws(MountProblem) -> Bool {
    switch name {
    case "cache":
      guard let value, value.hasPrefix("/") else { throw .badOption("cache must be the absolute path of a folder") }
      cache = value
    case "cache-size", "pageStoreSize":
      let form = ValueForm.quantity((1 << 20)...(1 << 60))
      guard let bytes = value.flatMap({ ValueForm.quantity($0, in: (1 << 20)...(1 << 60)) }) else {
        throw .badOption("the value of \(name) must be \(form.expectation)")
      }
      cacheBytes = bytes
    case "page-size", "pageSize":
      guard let bytes = value.flatMap({ ValueForm.quantity($0, in: (64 << 10)...(16 << 20)) }),
        bytes.nonzeroBitCount == 1
      else { throw .badOption("the value of \(name) must be a power of two from 64Ki to 16Mi") }
      pageSize = UInt32(bytes)
    default: return false
    }
    return true
  }
}
