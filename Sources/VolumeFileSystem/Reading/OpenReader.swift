/// A version that is read, or was asked for before it is; closed with the last one that holds this.
final class OpenReader: Sendable {
  let reader: FileReader

  init(_ reader: FileReader) { self.reader = reader }

  deinit { reader.close() }
}
