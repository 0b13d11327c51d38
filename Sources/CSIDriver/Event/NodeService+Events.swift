internal import Mounter
internal import VolumeModel

/// What calls and events of the mounter say of workers goes through here: for conditions, and for events of pods and claims.
extension NodeService {
  /// Takes in a status, whoever got it.
  func note(_ status: WorkerStatus) {
    tell(workers.note(status), of: status.request.key)
  }

  /// The mounter is there and these are all its workers.
  func noteConnected(_ statuses: [WorkerStatus]) {
    for (status, news) in zip(statuses, workers.connected(statuses)) { tell(news, of: status.request.key) }
  }

  /// - Parameter outcome: nil: a call has put everything in order.
  /// - Returns: whether it is another one than before.
  @discardableResult
  func noteRecovery(_ outcome: RecoveryOutcome?, of key: WorkerKey) -> Bool {
    guard let news = workers.noteRecovery(outcome, of: key.name) else { return false }
    tell(news, of: key)
    return true
  }

  private func tell(_ news: [VolumeNews], of key: WorkerKey) {
    if !news.isEmpty { reports?.ring() }
    guard let events, !news.isEmpty else { return }
    let targets = records.targets(ofWorker: key.name).filter { $0.phase == .published }
    let pods = Set(targets.compactMap(\.pod))
    let claims = Set(targets.compactMap(\.claim))
    for news in news { events.tell(news, of: key.volumeID, to: pods, and: claims) }
  }
}
