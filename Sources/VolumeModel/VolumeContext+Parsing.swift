/// What a volume's parameters or attributes say, typed and checked.
package struct VolumeContext: Sendable, Hashable {
  /// Values of `provisioning` and `onDelete`.
  package enum Provisioning: String, Sendable, Hashable { case shared, directory }
  package enum OnDelete: String, Sendable, Hashable { case retain, delete, archive }

  /// Who wrote the keys, and so which may stand there.
  package enum Source: Sendable, Hashable {
    /// StorageClass parameters.
    case parameters
    /// Volume attributes of a PersistentVolume.
    case attributes
    /// Attributes of an inline volume.
    case inline

    var place: VolumeContextKey.Places {
      switch self {
      case .parameters: .parameters
      case .attributes: .attributes
      case .inline: .inline
      }
    }

    var noun: String {
      switch self {
      case .parameters: "a StorageClass parameter"
      case .attributes: "a volume attribute"
      case .inline: "an attribute of an inline volume"
      }
    }
  }

  /// Checked values, defaults filled in.
  package var underFileSystem: UnderFileSystemURI
  package var provisioning: Provisioning = .shared
  package var directoryPattern: DirectoryPattern
  package var onDelete: OnDelete = .retain
  /// Timeouts, owner, limits and the size shown; `readOnly` and `mountGroup` come from the request.
  package var options = WorkerOptions()
  /// Our own keys by their documented names, as given: what CreateVolume returns and a repeated call is compared with.
  package var values: [String: String] = [:]
  /// Of s3:// and oss:// volumes, without what mount options say; nil for `file://`.
  package var objectStore: ObjectStoreOptions?
  /// Keys of the kubelet and the provisioner, untouched; may hold service-account tokens.
  package var orchestrator: [String: String] = [:]

  /// Whether the kubelet marked these attributes as those of an inline volume (CSI ephemeral volumes).
  package static func isInline(_ entries: [String: String]) -> Bool { entries[VolumeContextKey.ephemeral] == "true" }

  /// Reads node attributes: inline where the kubelet says so, an administrator's otherwise.
  package init(attributes entries: [String: String]) throws(VolumeContextError) {
    try self.init(parsing: entries, from: Self.isInline(entries) ? .inline : .attributes)
  }

  /// - Parameters:
  ///   - entries: as the request carries them.
  ///   - schemes: the under file systems that are served.
  /// - Throws: at the first key, in alphabetical order, that cannot be honoured as given.
  package init(
    parsing entries: [String: String], from source: Source,
    schemes: Set<UnderFileSystemURI.Scheme> = UnderFileSystemURI.Scheme.available
  ) throws(VolumeContextError) {
    (values, orchestrator) = try Self.sort(entries, from: source, serving: schemes)
    guard let path = values[VolumeContextKey.path.name] else { throw .missing(key: VolumeContextKey.path.name) }
    underFileSystem = try Self.underFileSystem(path, schemes: schemes)
    directoryPattern = try Self.directoryPattern(values[VolumeContextKey.directoryPattern.name])
    for (name, value) in values.sorted(by: { $0.key < $1.key }) { try apply(name, value) }
    objectStore = try ObjectStoreOptions(values, of: underFileSystem)
    try checkTogether()
  }

  /// Splits our keys from the orchestrator's and refuses what may not stand there.
  private static func sort(
    _ entries: [String: String], from source: Source, serving schemes: Set<UnderFileSystemURI.Scheme>
  ) throws(VolumeContextError) -> (own: [String: String], orchestrator: [String: String]) {
    var own: [String: String] = [:]
    var spelled: [String: String] = [:]
    var orchestrator: [String: String] = [:]
    for (name, value) in entries.sorted(by: { $0.key < $1.key }) {
      if VolumeContextKey.isOrchestrators(name) {
        orchestrator[name] = value
        continue
      }
      let key = try known(name)
      guard key.places.contains(source.place) else { throw misplaced(key, source) }
      try key.availability.check(name, serving: schemes)
      if let other = spelled.updateValue(name, forKey: key.name) { throw .doubled(key: name, other: other) }
      own[key.name] = value
    }
    return (own, orchestrator)
  }

  private static func known(_ name: String) throws(VolumeContextError) -> VolumeContextKey {
    if let key = VolumeContextKey.named(name) { return key }
    if VolumeContextKey.isSecret(name) {
      throw .misplaced(key: name, advice: "is a secret: put it into the secret that the StorageClass or volume names")
    }
    throw .unknown(
      key: name, nearest: NearestKey.nearest(to: name, in: VolumeContextKey.all.flatMap { [$0.name] + $0.aliases }))
  }

  private static func misplaced(_ key: VolumeContextKey, _ source: Source) -> VolumeContextError {
    let advice =
      if source == .inline {
        "may not be set by an inline volume; an administrator sets it in a StorageClass or volume"
      } else if key.places == .parameters { "is for StorageClass parameters, not for \(source.noun)" } else {
        "cannot be \(source.noun)"
      }
    return .misplaced(key: key.name, advice: advice)
  }

  private static func underFileSystem(
    _ text: String, schemes: Set<UnderFileSystemURI.Scheme>
  ) throws(VolumeContextError) -> UnderFileSystemURI {
    let key = VolumeContextKey.path
    do {
      let uri = try UnderFileSystemURI(parsing: text)
      guard schemes.contains(uri.scheme) else {
        throw VolumeContextError.notSupported(
          key: key.name,
          reason: "names \(uri.scheme.rawValue)://, which is not available in this build; served are "
            + schemes.map { "\($0.rawValue)://" }.sorted().joined(separator: ", "))
      }
      return uri
    } catch let error as UnderFileSystemURI.ParseError {
      throw .malformed(key: key.name, expectation: key.form.expectation, detail: error.reason)
    } catch let error as VolumeContextError {
      throw error
    } catch {
      throw .malformed(key: key.name, expectation: key.form.expectation)
    }
  }

  private static func directoryPattern(_ text: String?) throws(VolumeContextError) -> DirectoryPattern {
    do {
      return try DirectoryPattern(text ?? DirectoryPattern.standard)
    } catch {
      throw .directoryPattern(error)
    }
  }

  private mutating func apply(_ name: String, _ value: String) throws(VolumeContextError) {
    guard let key = VolumeContextKey.named(name) else { return }
    switch key {
    case .provisioning: provisioning = try Self.word(key, value)
    case .onDelete: onDelete = try Self.word(key, value)
    default: try options.apply(key, value)
    }
  }

  private static func word<Word: RawRepresentable<String>>(
    _ key: VolumeContextKey, _ value: String
  ) throws(VolumeContextError) -> Word {
    guard let word = Word(rawValue: value) else { throw .malformed(key: key.name, expectation: key.form.expectation) }
    return word
  }

  /// Keys that mean something only beside another.
  private func checkTogether() throws(VolumeContextError) {
    guard provisioning == .shared else { return }
    for key in [VolumeContextKey.directoryPattern, .onDelete] where values[key.name] != nil {
      throw .misplaced(key: key.name, advice: "applies only to volumes with provisioning=directory")
    }
  }
}

extension WorkerOptions {
  /// Sets what `key` means for the worker; keys that mean nothing to it are left alone.
  mutating func apply(_ key: VolumeContextKey, _ value: String) throws(VolumeContextError) {
    switch key {
    case .capacity: capacityBytes = try key.number(value)
    case .attrTimeout: attributeTimeoutMilliseconds = UInt32(try key.number(value))
    case .entryTimeout: entryTimeoutMilliseconds = UInt32(try key.number(value))
    case .readAhead: readAheadBytes = try key.number(value)
    case .uid: uid = UInt32(try key.number(value))
    case .gid: gid = UInt32(try key.number(value))
    case .umask: umask = UInt32(try key.number(value))
    case .passthrough: passthrough = try key.flag(value)
    case .memoryLimit: memoryLimitBytes = try key.number(value)
    default: break
    }
  }
}

extension VolumeContextKey {
  /// The value of a key whose form is `true` or `false`.
  func flag(_ value: String) throws(VolumeContextError) -> Bool {
    guard let flag = Bool(value) else { throw .malformed(key: name, expectation: form.expectation) }
    return flag
  }

  /// The value of a key whose form is a number; times in milliseconds.
  func number(_ value: String) throws(VolumeContextError) -> UInt64 {
    let number: UInt64? =
      switch form {
      case .number(let range): ValueForm.number(value, in: range)
      case .octal(let range): ValueForm.number(value, radix: 8, in: range)
      case .quantity(let range): ValueForm.quantity(value, in: range)
      case .powerOfTwo(let range):
        ValueForm.quantity(value, in: range).flatMap { $0.nonzeroBitCount == 1 ? $0 : nil }
      case .duration(let maximum): ValueForm.duration(value, maximumSeconds: maximum).map(UInt64.init)
      case .text, .oneOf, .underFileSystem, .directoryPattern, .endpoint, .region, .role: nil
      }
    guard let number else { throw .malformed(key: name, expectation: form.expectation) }
    return number
  }
}
