internal import LinuxSystem
internal import Logging
internal import SystemPackage
internal import VolumeModel

/// Secrets of volumes, and what workers say of them. An object store may refuse new ones: until it has taken them, those
/// before are kept, and should it refuse them, the next worker gets those before.
extension MounterServer {
  /// The secrets that came with the call are the volume's from now on.
  func takeSecrets(_ call: CallID, _ key: WorkerKey) {
    let holding = holding(key)
    let isTried = keeper.volumes[key]?.phase == .ready && holding.mount?.pageFolder != nil
    holding.formerSecrets = isTried ? holding.formerSecrets ?? holding.secrets : nil
    holding.secrets = incomingSecrets[call]
    holding.secretsRevision += 1
    deposit(key)
  }

  /// The worker has tried secrets. Newer ones may have come meanwhile: it will say how those are.
  func credentialsTried(_ key: WorkerKey, revision: UInt64, _ problem: String?) {
    if let problem {
      log.warning(
        "the volume's new credentials are not used",
        metadata: metadata(key).merging(["reason": "\(problem)"]) { $1 })
    }
    guard let holding = holdings[key], holding.secretsRevision == revision else { return }
    let former = holding.formerSecrets.take()
    guard problem != nil, let former else { return }
    holding.secrets = former
    deposit(key)
  }

  /// What the worker is told of the node; nil where that cannot be made, and it does without.
  func nodeEnvironment(_ volume: Volume) -> SharedDescriptor? {
    let credentials = volume.request.objectStore?.usesNodeCredentials ?? false
    do throws(Errno) {
      return SharedDescriptor(try NodeEnvironment.make(configuration.environment, credentials: credentials))
    } catch {
      log.error(
        "a worker is told nothing of proxies and certificates",
        metadata: metadata(volume.request.key).merging(["error": "\(error)"]) { $1 })
      return nil
    }
  }
}
