/// One answer to a list.
struct ObjectPage<Object: KubernetesObject>: Decodable, Sendable {
  var items: [Object]
  /// Names of objects that do not have the shape that this program knows: one of them must not hide the others.
  var unreadable: [String]
  /// Of the moment that the whole list shows.
  var resourceVersion: String
  /// Asks for the next page; nil after the last.
  var next: String?

  private enum CodingKeys: String, CodingKey { case metadata, items }

  private struct Metadata: Decodable {
    var resourceVersion: String?
    var next: String?

    enum CodingKeys: String, CodingKey {
      case resourceVersion
      case next = "continue"
    }
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let metadata = try container.decode(Metadata.self, forKey: .metadata)
    resourceVersion = metadata.resourceVersion ?? ""
    next = metadata.next.flatMap { $0.isEmpty ? nil : $0 }
    (items, unreadable) = ([], [])
    // `null` is how the API writes an empty list of some kinds.
    for item in try container.decodeIfPresent([ObjectOrName<Object>].self, forKey: .items) ?? [] {
      switch item {
      case .object(let object): items.append(object)
      case .unreadable(let name): unreadable.append(name)
      }
    }
  }
}

/// An object, or who it would be if its shape were known.
enum ObjectOrName<Object: KubernetesObject>: Decodable, Sendable {
  case object(Object)
  case unreadable(String)

  init(from decoder: any Decoder) throws {
    do { self = .object(try Object(from: decoder)) } catch {
      self = .unreadable(try ObjectHead(from: decoder).metadata.name ?? "")
    }
  }
}

/// What every object has, bookmarks too.
struct ObjectHead: Decodable, Sendable {
  struct Metadata: Decodable, Sendable {
    var name: String?
    var resourceVersion: String?
  }

  var metadata: Metadata
}

/// All objects of a list, from however many pages.
package struct ObjectList<Object: KubernetesObject>: Sendable {
  package var items: [Object]
  /// Names of objects that are left out because they do not have the shape that this program knows.
  package var unreadable: [String]
  /// Of the moment that the list shows: a watch goes on from it.
  package var resourceVersion: String
}
