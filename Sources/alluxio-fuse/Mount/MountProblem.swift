import LinuxSystem
import SystemPackage

/// Why nothing was mounted, or no longer is: one sentence that says what to do.
enum MountProblem: Error, CustomStringConvertible {
  case notRoot
  case badOption(String)
  case badSource(String)
  case noDevice(Errno)
  case mountPointMissing(String)
  case mountPointNotADirectory(String)
  case mountPointNotEmpty(String)
  case mountPointInside(String, source: String)
  case mountPointUnusable(String, Errno)
  case sourceMissing(String)
  case sourceNotADirectory(String)
  case sourceNotPermitted(String)
  case sourceUnusable(String, Errno)
  case mountFailed(String, Errno)
  case cannotServe(Errno)
  case servingFailed(Errno)
  case objects(ObjectVolume.Problem)
  case store(String)
  case cacheInUse(String)
  case cacheUnusable(String, Errno)

  var description: String {
    switch self {
    case .notRoot: "mounting needs root: run this with sudo"
    case .badOption(let reason): "\(reason)"
    case .badSource(let reason): "the source \(reason)"
    case .noDevice(.noSuchFileOrDirectory):
      "there is no /dev/fuse: load the kernel module fuse, or give the container the device"
    case .noDevice(let error): "/dev/fuse cannot be opened (\(error)): allow the device, or run this with sudo"
    case .mountPointMissing(let path): "the mount point \(path) does not exist: make it with mkdir \(path)"
    case .mountPointNotADirectory(let path): "the mount point \(path) is not a directory: choose an empty directory"
    case .mountPointNotEmpty(let path): "the mount point \(path) is not empty: choose an empty directory"
    case .mountPointInside(let path, let source):
      "the mount point \(path) lies inside \(source), so that the mount would show itself: choose one outside"
    case .mountPointUnusable(let path, let error): "the mount point \(path) cannot be used: \(error)"
    case .sourceMissing(let path): "the directory \(path) to be shown does not exist"
    case .sourceNotADirectory(let path): "\(path) is to be shown and is not a directory"
    case .sourceNotPermitted(let path): "the directory \(path) to be shown may not be read by this user"
    case .sourceUnusable(let path, let error): "the directory \(path) cannot be shown: \(error)"
    case .mountFailed(let path, let error): "mounting at \(path) failed: \(error)"
    case .cannotServe(let error): "the source cannot be served: \(error)"
    case .servingFailed(let error): "requests can no longer be read from the kernel: \(error)"
    case .objects(let problem): "\(problem)"
    case .store(let sentence): "\(sentence)"
    case .cacheInUse(let path): "another mount of this source uses the cache \(path): give this one another cache="
    case .cacheUnusable(let path, let error): "the folder \(path) cannot be used: \(error): give another one as cache="
    }
  }
}
