import Testing
import UnderFileSystem

@Test("hidden names are refused") func hidden() {
  #expect(throws: (any Error).self) { try HiddenName.ownerMarker.check() }
}
