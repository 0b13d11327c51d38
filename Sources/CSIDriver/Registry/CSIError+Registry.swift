extension CSIError {
  /// What the caller of an RPC sees of a registry's failure.
  package init(_ error: RegistryError) {
    switch error {
    case .unavailable(let step, let cause):
      self = .unavailable(
        problem: "the volume registry cannot serve (\(step): \(cause)): see that its folder is there and writable, or "
          + "that the API of Kubernetes answers")
    case .published(let volume, let nodes): self = .volumeInUse(volume: volume, nodes: nodes)
    case .deleting(let volume):
      self = .precondition(problem: "volume '\(volume)' is being deleted: it cannot be published")
    case .absent(let volume): self = .notFound(what: "volume", name: volume, advice: "")
    case .exists(let volume): self = .inProgress(what: "volume", name: volume)
    }
  }
}
