package import LinuxSystem
internal import SystemPackage

/// The one line that a mounter writes to whoever started it, by an inherited descriptor: `ready`, or why it does not serve.
package final class ReadyNotice {
  /// Nil once the word was given: the reader then sees the end.
  private var descriptor: SharedDescriptor?

  /// The word for a mounter that serves.
  static let word = "ready"

  package init(adopting descriptor: consuming Descriptor) { self.descriptor = SharedDescriptor(descriptor) }

  /// - Parameter error: nil once the socket is served.
  package func tell(_ error: MounterError?) {
    // A reader that is gone does not want to know.
    try? descriptor?.descriptor.writeAll(Array("\(error.map(\.description) ?? Self.word)\n".utf8))
    descriptor = nil
  }
}
