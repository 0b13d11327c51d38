import LinuxSystem
import VolumeModel

/// What `-o` and the source say, checked by the rules of a volume's attributes.
struct MountOptions {
  var source: UnderFileSystemURI
  var worker: WorkerOptions
  /// Of the mount itself.
  var flags: LinuxSystem.MountFlags = .volume

  /// - Parameter options: each several options joined by commas.
  init(source text: String, options: [String]) throws(MountProblem) {
    do { source = try UnderFileSystemURI(parsing: text) } catch { throw .badSource("\(error)") }
    guard UnderFileSystemURI.Scheme.available.contains(source.scheme) else {
      throw .badSource("\(source.scheme.rawValue):// is not available in this build: give file:///directory")
    }
    var entries = [VolumeContextKey.named("path")?.name ?? "path": text]
    var others: [String] = []
    for option in options.flatMap({ $0.split(separator: ",") }) {
      let halves = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if halves.count == 2, let key = VolumeContextKey.named(String(halves[0])) {
        entries[key.name] = String(halves[1])
      } else {
        others.append(String(option))
      }
    }
    do throws(VolumeContextError) {
      worker = try VolumeContext(parsing: entries, from: .attributes).options
      let mount = try VolumeModel.MountFlags(others)
      try mount.apply(to: &worker)
      if mount.noExec { flags.insert(.noExecute) }
    } catch {
      throw .badOption("\(error)")
    }
  }
}
