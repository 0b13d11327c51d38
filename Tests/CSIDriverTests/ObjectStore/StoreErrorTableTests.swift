import GRPC
import Mounter
import ObjectStore
import Testing
import UnderFileSystem
import VolumeModel

@testable import CSIDriver

@Suite("Errors of object stores")
struct StoreErrorTableTests {
  /// To a mount, as the worker says it and the mounter hands it on.
  private func published(_ kind: ObjectStoreError.Kind) -> CSIError {
    CSIError(MounterError.underFileSystemRefused(kind.refusal, sentence: "the sentence"))
  }

  /// To a call of the controller.
  private func provisioned(_ kind: ObjectStoreError.Kind) -> CSIError {
    let cause = ObjectStoreError(kind, .list, message: "canary")
    return .objectStore(BucketError(.other, "canary", cause: cause), step: "the step") { _ in "the sentence" }
  }

  @Test(
    "a publish and a call of the controller answer one cause with one code", arguments: ObjectStoreError.Kind.allCases)
  func oneTable(kind: ObjectStoreError.Kind) {
    let error = provisioned(kind)
    #expect(!error.message.contains("canary"))
    switch kind {
    // These are said of the controller's call itself, which has a deadline and a caller of its own.
    case .deadlineExceeded: #expect(error.code == .deadlineExceeded)
    case .cancelled: #expect(error.code == .cancelled)
    default:
      #expect(error.code == published(kind).code)
      #expect(error.message.contains("the sentence") && published(kind).message.contains("the sentence"))
    }
  }

  @Test("each cause has the code that its caller acts by")
  func codes() {
    let expected: [(ObjectStoreError.Kind, StatusCode)] = [
      (.noSuchBucket, .notFound), (.wrongRegion, .invalidArgument), (.tls, .invalidArgument),
      (.malformedReply, .invalidArgument), (.accessDenied, .permissionDenied), (.badSignature, .permissionDenied),
      (.clockSkew, .permissionDenied), (.noCredentials, .permissionDenied), (.unreachable, .unavailable),
      (.slowDown, .unavailable), (.server, .unavailable), (.conflict, .unavailable),
      (.storageFull, .resourceExhausted), (.archived, .internal), (.other, .internal),
    ]
    for (kind, code) in expected { #expect(published(kind).code == code, "\(kind)") }
  }
}
