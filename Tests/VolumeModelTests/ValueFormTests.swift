import Testing
import VolumeModel

@Suite("Sizes")
struct QuantityTests {
  @Test(
    "Kubernetes' suffixes are read exactly",
    arguments: [
      ("0", UInt64(0)), ("1", 1), ("1k", 1_000), ("1Ki", 1_024), ("1.5Gi", 3 << 29), ("0.1k", 100), ("2M", 2_000_000),
      ("3Mi", 3 << 20), ("1T", 1_000_000_000_000), ("1Ti", 1 << 40), ("15Pi", 15 << 50), ("18446744073709551615", .max),
      ("0.0000001Ki", 0), ("00012", 12),
    ])
  func read(text: String, bytes: UInt64) {
    let value = ValueForm.quantity(text, in: 0...UInt64.max)
    if text == "18446744073709551615" { #expect(value == nil || value == bytes) } else { #expect(value == bytes) }
  }

  @Test(
    "anything else is refused, overflow included",
    arguments: [
      "", "Mi", "-1", "+1", "1 Mi", "1e3", "1.Gi", ".5", "0x10", "1KiB", "16384Pi", "99999999999999999999", "١",
    ])
  func refused(text: String) { #expect(ValueForm.quantity(text, in: 0...UInt64.max) == nil) }

  @Test("the range holds at both ends")
  func range() {
    #expect(ValueForm.quantity("10", in: 10...20) == 10)
    #expect(ValueForm.quantity("20", in: 10...20) == 20)
    #expect(ValueForm.quantity("9", in: 10...20) == nil)
    #expect(ValueForm.quantity("21", in: 10...20) == nil)
  }
}

@Suite("Digests and names of workers")
struct DigestTests {
  @Test("SHA-256 of the standard's example")
  func sha256() {
    #expect(Digest.sha256Hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(Digest.sha256Hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  }

  @Test("keys whose parts run together differently have different names")
  func workerNames() {
    let keys = [
      WorkerKey(volumeID: "a", mountGroup: "b"), WorkerKey(volumeID: "ab"),
      WorkerKey(volumeID: "a", credentialIdentity: "b"),
      WorkerKey(volumeID: "a", mountGroup: ""), WorkerKey(volumeID: "a"), WorkerKey(volumeID: "a;1:b"),
    ]
    #expect(Set(keys.map(\.name)).count == keys.count)
    #expect(keys.allSatisfy { $0.name.utf8.count == 32 })
  }
}
