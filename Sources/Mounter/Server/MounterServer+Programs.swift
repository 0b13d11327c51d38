internal import LinuxSystem
internal import Logging
internal import VolumeModel

/// Moving to another build.
extension MounterServer {
  /// Tries a program that has taken the place of the one in use, on a thread of its own.
  func lookForProgram(isAsked: Bool = false) {
    guard keeper.roll == nil, let program = programs.candidate(besides: keeper.program, isAsked: isAsked) else {
      return
    }
    log.info("trying a worker's program", metadata: ["path": "\(program.path)"])
    let mailbox = mailbox
    do throws(BlockingThreads.TooManyAbandoned) {
      try blocking.start { mailbox.post(.tried(program, program.tried())) }
    } catch {
      programs.take(program, isGood: false)
    }
  }

  func programTried(_ program: WorkerProgram, _ outcome: Result<WorkerBuild, MounterError>) {
    switch outcome {
    case .success(let build):
      if let reason = refusal(build) { return refuse(program, reason) }
      programs.take(program, isGood: true)
      log.notice("volumes move to another worker's program", metadata: ["version": "\(build.version)"])
      feed(.programFound(program.number))
    case .failure(let error): refuse(program, error.description)
    }
  }

  private func refuse(_ program: WorkerProgram, _ reason: String) {
    programs.take(program, isGood: false)
    log.error(
      "the worker's program has changed and is of no use; workers go on with the one before",
      metadata: ["path": "\(program.path)", "reason": "\(reason)"])
  }

  /// Why this build cannot serve the volumes as they are.
  private func refusal(_ build: WorkerBuild) -> String? {
    if build.protocolVersion < ProtocolVersion.oldest {
      return "it speaks version \(build.protocolVersion) to mounters"
    }
    for (key, holding) in holdings {
      guard let state = holding.mount?.sharedState,
        let (version, oldestReader) = try? SharedStateHeader.versions(of: state.descriptor)
      else { continue }
      if !build.reads(version: version, oldestReader: oldestReader) {
        return """
          it reads shared state of versions \(build.oldestState) to \(build.stateVersion), and that of volume \
          \(key.volumeID) is of version \(version)
          """
      }
    }
    return nil
  }

  func rollEnded(_ program: Int, _ failure: String?) {
    if let failure {
      programs.refuse(program)
      log.error("no more volumes move to another worker's program", metadata: ["reason": "\(failure)"])
    } else {
      log.notice("all volumes have moved to another worker's program")
    }
    programs.keep(only: keeper.programsInUse)
  }
}
