import TestSupport
import Testing
import UnderFileSystem

@Suite("tags of uploads")
struct UploadTagTests {
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
}
