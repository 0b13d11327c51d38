internal import LinuxSystem
internal import Synchronization
internal import SystemPackage

/// The token that requests carry. A file is read again every minute, and at once when the server refused what it held.
final class BearerToken: Sendable {
  private struct State {
    var value: String?
    var isReadAgainAt: Deadline
  }

  private let source: ClusterAccess.Token
  private let lifetime: Duration
  private let state: Mutex<State>

  /// - Parameter lifetime: how long what a file held is used without a look. The kubelet replaces a token when a fifth of
  ///   its time is left, which is two minutes at least.
  init(_ source: ClusterAccess.Token, lifetime: Duration = .seconds(60)) {
    self.source = source
    self.lifetime = lifetime
    let value: String? = if case .fixed(let token) = source { token } else { nil }
    state = Mutex(State(value: value, isReadAgainAt: .now))
  }

  /// What a request carries now; nil: none.
  /// - Throws: `.access` when the file was never readable.
  func current() throws(KubernetesError) -> String? {
    guard case .file(let path) = source else { return state.withLock { $0.value } }
    return try state.withLock { (state) throws(KubernetesError) -> String? in
      if state.value == nil || state.isReadAgainAt <= .now { try Self.read(path, into: &state, lifetime) }
      return state.value
    }
  }

  /// After the server refused `token`.
  /// - Returns: whether there is another one now.
  func refresh(after token: String?) -> Bool {
    guard case .file(let path) = source else { return false }
    return state.withLock { state in
      // Somebody else may have read it meanwhile.
      if state.value == token { try? Self.read(path, into: &state, lifetime) }
      return state.value != token
    }
  }

  /// A file that cannot be read at the moment changes nothing: what it held is most likely still good.
  private static func read(
    _ path: String, into state: inout State, _ lifetime: Duration
  ) throws(KubernetesError) {
    do throws(Errno) {
      let token = try WholeFile.text(path, limit: 1 << 20).filter { !$0.isWhitespace }
      guard !token.isEmpty else { throw .noData }
      state.value = token
      state.isReadAgainAt = .after(lifetime)
    } catch {
      guard state.value == nil else { return }
      throw KubernetesError(.access, "the token file \(path) cannot be read (\(error.description))")
    }
  }
}
