/// events.k8s.io/v1 Event, as it is stored.
struct EventObject: KubernetesObject {
  static let resource = APIResource(
    group: "events.k8s.io", version: "v1", kind: "Event", plural: "events", isNamespaced: true)

  struct Series: Codable, Sendable, Hashable {
    /// 2 at least.
    var count: Int
    var lastObservedTime: String
  }

  var metadata: ObjectMetadata
  var eventTime: String?
  var reportingController: String?
  var reportingInstance: String?
  var action: String?
  var reason: String?
  var regarding: ObjectReference?
  var note: String?
  var type: String?
  var series: Series?
}

/// Something that people should read beside an object, in `kubectl describe`.
package struct ObjectEvent: Sendable, Hashable {
  /// How it is shown.
  package enum Severity: String, Sendable, Hashable {
    case normal = "Normal"
    case warning = "Warning"
  }

  /// What it is about.
  package var regarding: ObjectReference
  package var severity: Severity
  /// One word in camel case, by which it is filtered: `ProvisioningFailed`.
  package var reason: String
  /// One word in camel case for what was being done: `Provision`.
  package var action: String
  /// One sentence for people, with what to do; no secrets. Cut at 1024 bytes.
  package var note: String
  /// What it comes from, where that may have to do with many objects: events of one are limited together. Not sent.
  package var subject: String?

  package init(
    regarding: ObjectReference, severity: Severity = .normal, reason: String, action: String, note: String,
    subject: String? = nil
  ) {
    self.regarding = regarding
    self.severity = severity
    self.reason = reason
    self.action = action
    self.note = note
    self.subject = subject
  }
}
