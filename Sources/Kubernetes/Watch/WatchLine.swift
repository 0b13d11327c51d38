/// One line of a watch: meta/v1 WatchEvent.
enum WatchLine<Object: KubernetesObject>: Decodable, Sendable {
  /// Added or modified: which of them says nothing to a watcher that was away in between.
  case applied(Object)
  case deleted(Object)
  /// Nothing has happened; the watch has come as far as this version.
  case bookmark(version: String)
  case failed(StatusAnswer)
  /// Something happened to an object whose shape is not known, or something of a type that is not.
  case unreadable(name: String, version: String?)

  private enum CodingKeys: String, CodingKey { case type, object }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let type = try container.decode(String.self, forKey: .type)
    switch type {
    case "ERROR":
      self = .failed(try container.decode(StatusAnswer.self, forKey: .object))
      return
    case "ADDED", "MODIFIED", "DELETED":
      if let object = try? container.decode(Object.self, forKey: .object) {
        self = type == "DELETED" ? .deleted(object) : .applied(object)
        return
      }
    default: break
    }
    let head = try container.decode(ObjectHead.self, forKey: .object).metadata
    if type == "BOOKMARK", let version = head.resourceVersion {
      self = .bookmark(version: version)
    } else {
      self = .unreadable(name: head.name ?? "", version: head.resourceVersion)
    }
  }
}
