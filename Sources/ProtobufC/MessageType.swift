package import CProtobufC

/// The function that protoc-c generates for every message as `…__init`: sets all fields to their defaults. It names a
/// message's Swift type and its descriptor at once, so that the two can never be mixed up.
package typealias MessageInitializer<Message> = (UnsafeMutablePointer<Message>?) -> Void

/// The static descriptor of a message: its name and its table of fields.
package func descriptor<Message>(
  of initialize: MessageInitializer<Message>
) -> UnsafePointer<ProtobufCMessageDescriptor> {
  withUnsafeTemporaryAllocation(of: Message.self, capacity: 1) { storage in
    initialize(storage.baseAddress)
    // Every generated structure starts with a ProtobufCMessage, whose first field is the descriptor's address.
    return UnsafeRawPointer(storage.baseAddress!).load(as: UnsafePointer<ProtobufCMessageDescriptor>.self)
  }
}
