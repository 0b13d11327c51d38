import TestSupport
import Testing
import UnderFileSystem

@Suite("files whose upload is over")
struct UploadedFileTests {
  @Test("a file that was uploaded in parts can be read where the service answers the upload's end with another tag")
  func otherTag() throws {
    var manners = InMemoryBucket.Manners()
    manners.namesOtherTagOfUpload = true
    let volume = try ObjectVolume(InMemoryBucket(manners), spools: smallParts)
    let (file, node) = try volume.create("f")
    let content = letters(100)
    try file.write(content)
    try file.flush()
    node.lastWriterClosed()
    #expect(try node.open(.read, caller: root).read() == content)
    #expect(try volume.node("f").open(.read, caller: root).read() == content)
  }

  @Test("a handle that wrote a file knows its size when the store has all of it and the spool is gone")
  func sizeAfterSpool() throws {
    let volume = try ObjectVolume(spools: SpoolLimits())
    let (writer, node) = try volume.create("f")
    try writer.write(letters(100))
    let reader = try node.open(.read, caller: root)
    try writer.flush()
    node.lastWriterClosed()
    #expect(try writer.attributes().size == 100)
    #expect(try reader.attributes().size == 100)
    #expect(try writer.attributes().linkCount == 1)
    let again = try node.open(.readWrite, caller: root)
    try again.write(letters(50), at: 100)
    try again.flush()
    node.lastWriterClosed()
    #expect(try reader.attributes().size == 150)
  }

  @Test("a handle from before a file's first upload reads all of it when the spool is gone, whoever asks it")
  func readAfterSpool() throws {
    let volume = try ObjectVolume(spools: SpoolLimits())
    let (writer, node) = try volume.create("f")
    let reader = try node.open(.read, caller: root)
    try writer.write(letters(100))
    try writer.flush()
    node.lastWriterClosed()
    // Not through the cache, as a read that had found a spool a moment before.
    #expect(try writer.read() == letters(100))
    #expect(try reader.read() == letters(100))
    #expect(try writer.seek(to: 0, whence: 4) == 100)
  }
}
