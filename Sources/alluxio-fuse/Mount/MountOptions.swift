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
    let list = MountOptionList(options, of: source, written: text)
    if let cache = list.cache, !cache.hasPrefix("/") {
      throw .badOption("cache must be the absolute path of a folder")
    }
    do throws(VolumeContextError) {
      let context = try VolumeContext(
        parsing: list.entries, from: .attributes, schemes: Set(UnderFileSystemURI.Scheme.allCases))
      worker = context.options
      objects = context.objectStore.map { ObjectMountOptions(store: $0, cache: list.cache) }
      let mount = try VolumeModel.MountFlags(list.others)
      try mount.apply(to: &worker)
      if mount.noExec { flags.insert(.noExecute) }
    } catch {
      throw .badOption("\(error)")
    }
  }
}

/// What a person's mount of a bucket needs.
struct ObjectMountOptions {
  var store: ObjectStoreOptions
  /// Folder on local disk where pages are kept from one mount to the next; nil: none are.
  var cache: String?
}
