import LinuxSystem
import Logging
import Mounter
import ObjectStore
import PageStore
import SystemPackage
import VolumeFileSystem
import VolumeModel

/// The volume of a worker, put together from its configuration.
enum WorkerVolume {
  /// Why there is none.
  enum Problem: Error {
    case system(Errno)
    case objects(ObjectVolume.Problem)
    /// The store was asked, and does not serve it.
    case refused(Diagnosis)
  }

  /// How long the store is waited for where nobody says how long the volume is.
  private static let patience = Duration.seconds(30)

  static func make(
    _ configuration: borrowing WorkerConfiguration, _ custody: MounterCustody, _ backings: MounterBackings?,
    _ log: Logger
  ) throws(Problem) -> ServedVolume {
    if let store = configuration.request.objectStore {
      return try make(store, configuration, custody, store.cachePassthrough ? backings : nil, log)
    }
    do throws(Errno) {
      guard let root = try duplicate(configuration.underFileSystemRoot) else { throw .invalidArgument }
      return try ServedVolume(
        root: root, state: configuration.sharedState, device: try configuration.fuseDevice.duplicate(),
        fuseInit: configuration.fuseInit, options: configuration.request.options, custody: custody,
        backings: backings, log: log)
    } catch {
      throw .system(error)
    }
  }

  /// A store is asked whether it serves the volume when the volume is mounted, and not when a worker follows another: who uses the
  /// mount waits for that one, and learns the same from its requests.
  private static func make(
    _ store: ObjectStoreRequest, _ configuration: borrowing WorkerConfiguration, _ custody: MounterCustody,
    _ backings: MounterBackings?, _ log: Logger
  ) throws(Problem) -> ServedVolume {
    let objects: ObjectVolume
    let isSameMount = configuration.generation > 1
    do throws(Problem) {
      let folder: Descriptor?
      do throws(Errno) { folder = try duplicate(configuration.pageFolder) } catch { throw .system(error) }
      let shared: Descriptor?
      do throws(Errno) { shared = try duplicate(configuration.sharedPages) } catch { throw .system(error) }
      objects = try makeObjects(store, configuration, folder, shared, log)
    } catch {
      // Whoever uses the mount reads on, without a disk to keep anything on.
      guard isSameMount, case .objects(.folder) = error else { throw error }
      log.error(
        "files are read from the store alone and cannot be written",
        metadata: ["reason": "\(error.sentence(configuration.request.underFileSystem))"])
      objects = try makeObjects(store, configuration, nil, nil, log)
    }
    if !isSameMount {
      // The rest is for undoing the mount.
      let limit = min(configuration.startTimeout.map { $0 * 4 / 5 } ?? patience, patience)
      if let diagnosis = objects.check(by: .after(limit)) { throw .refused(diagnosis) }
    }
    do throws(Errno) {
      return try ServedVolume(
        objects, state: configuration.sharedState, device: try configuration.fuseDevice.duplicate(),
        fuseInit: configuration.fuseInit, options: configuration.request.options, custody: custody,
        backings: backings, log: log)
    } catch {
      throw .system(error)
    }
  }

  private static func makeObjects(
    _ store: ObjectStoreRequest, _ configuration: borrowing WorkerConfiguration, _ folder: consuming Descriptor?,
    _ sharedPages: consuming Descriptor?, _ log: Logger
  ) throws(Problem) -> ObjectVolume {
    let request = configuration.request
    do throws(ObjectVolume.Problem) {
      return try ObjectVolume(
        store, path: request.underFileSystem, folder: folder, sharedPages: sharedPages,
        account: account(configuration.cacheAccount, log),
        secrets: configuration.secrets?.values ?? [:], environment: configuration.environment,
        isSameMount: configuration.generation > 1, options: request.options, log: log)
    } catch {
      throw .objects(error)
    }
  }

  /// What it says only bounds the cache: without one the volume's quota does.
  private static func account(_ memory: borrowing Descriptor?, _ log: Logger) -> CacheAccount? {
    switch memory {
    case .some(let memory):
      do throws(Errno) { return try CacheAccount(memory) } catch {
        log.warning("the volume's pages have no account", metadata: ["error": "\(error)"])
        return nil
      }
    case .none: return nil
    }
  }

  private static func duplicate(_ descriptor: borrowing Descriptor?) throws(Errno) -> Descriptor? {
    switch descriptor {
    case .some(let descriptor): try descriptor.duplicate()
    case .none: nil
    }
  }
}

extension WorkerVolume.Problem {
  /// For the log and for whoever waits for the volume.
  func sentence(_ source: UnderFileSystemURI) -> String {
    switch self {
    case .system(let error): "cannot serve \(source): \(error)"
    case .objects(let problem): problem.description
    case .refused(let diagnosis): diagnosis.sentence
    }
  }

  /// Nil where it is no matter of the store's.
  var refusal: UnderFileSystemRefusal? {
    switch self {
    case .refused(let diagnosis): diagnosis.refusal
    case .objects(.secrets): .credentials
    case .objects, .system: nil
    }
  }
}
