import Synchronization

/// The pages that are on disk, as far as this process knows, in the order in which they go. In parts with a lock each.
final class PageIndex: Sendable {
  /// What the order file and the listing of the folder say of a page.
  struct Page: Sendable, Hashable {
    var id: FileVersionID
    var page: UInt32
    /// Of the whole version.
    var size: Int64
  }

  /// What is to be evicted.
  struct Victim: Sendable {
    var page: Page
    var cost: Int64
    /// No other page of its file is there.
    var isLast: Bool
  }

  private struct Slot: Sendable {
    var file: UInt32
    var page: UInt32
  }

  private struct File: Sendable {
    var id: FileVersionID
    var size: Int64
    var pages: UInt32
    /// Known from the order file alone.
    var isPresumed: Bool
  }

  private struct Part: Sendable {
    var numbers: [FileVersionID: UInt32] = [:]
    var files: [File] = []
    var free: [UInt32] = []
    var policy = S3FIFO<Slot>()

    mutating func number(_ id: FileVersionID, size: Int64, isPresumed: Bool) -> UInt32 {
      if let number = numbers[id] {
        if !isPresumed { files[Int(number)].isPresumed = false }
        return number
      }
      let file = File(id: id, size: size, pages: 0, isPresumed: isPresumed)
      let number: UInt32
      if let last = free.popLast() {
        number = last
        files[Int(number)] = file
      } else {
        number = UInt32(files.count)
        files.append(file)
      }
      numbers[id] = number
      return number
    }

    /// - Returns: whether the file has none left and is forgotten.
    mutating func lostPage(_ number: UInt32) -> Bool {
      files[Int(number)].pages -= 1
      guard files[Int(number)].pages == 0 else { return false }
      numbers[files[Int(number)].id] = nil
      free.append(number)
      return true
    }
  }

  private let parts: InlineArray<16, Mutex<Part>>
  private let pageSize: Int
  /// Pages, and what they take in bytes; eviction counts down what it has freed.
  let count = Atomic(0)
  let cost = Atomic<Int64>(0)

  init(pageSize: Int) {
    self.pageSize = pageSize
    parts = InlineArray { _ in Mutex(Part()) }
  }

  private func cost(_ page: Page) -> Int64 {
    let offset = Int64(page.page) * Int64(pageSize)
    return PageLayout.cost(pageLength: Int(max(0, min(Int64(pageSize), page.size - offset))))
  }

  private func part(_ id: FileVersionID) -> Int { Int(id.low & 15) }

  /// Adds a page. - Returns: false when it is there.
  /// - Parameter past: where the order file had it.
  @discardableResult
  func insert(_ page: Page, past: (queue: S3FIFO<Void>.Queue, reads: UInt8)? = nil) -> Bool {
    let cost = cost(page)
    let isNew = parts[part(page.id)].withLock { part in
      let key = page.id.key(page: Int64(page.page))
      let number = part.number(page.id, size: page.size, isPresumed: past != nil)
      guard !part.policy.contains(key) else { return false }
      part.files[Int(number)].pages += 1
      let slot = Slot(file: number, page: page.page)
      if let past {
        part.policy.insert(
          key, slot, cost: cost, queue: past.queue == .small ? .small : .main, reads: past.reads)
      } else {
        part.policy.insert(key, slot, cost: cost)
      }
      return true
    }
    if isNew {
      self.cost.add(cost, ordering: .relaxed)
      count.add(1, ordering: .relaxed)
    }
    return isNew
  }

  /// A read. Nothing is allocated.
  @inline(__always) func touch(_ id: FileVersionID, page: Int64) {
    parts[part(id)].withLock { $0.policy.touch(id.key(page: page)) }
  }

  /// Takes a page out and counts it as freed. - Returns: what it took; nil when it was not there.
  @discardableResult
  func remove(_ id: FileVersionID, page: Int64) -> Int64? {
    let cost = parts[part(id)].withLock { part -> Int64? in
      guard let (slot, cost) = part.policy.remove(id.key(page: page)) else { return nil }
      _ = part.lostPage(slot.file)
      return cost
    }
    if let cost { freed(cost) }
    return cost
  }

  /// Takes out all pages of a file and counts them as freed. - Returns: what they took.
  @discardableResult
  func remove(_ id: FileVersionID) -> Int64 {
    let (cost, count) = parts[part(id)].withLock { part -> (Int64, Int) in
      guard let number = part.numbers[id] else { return (0, 0) }
      let file = part.files[Int(number)]
      var (cost, count) = (Int64(0), 0)
      var page: Int64 = 0
      while part.files[Int(number)].pages > 0, page * Int64(pageSize) < file.size {
        if let (_, one) = part.policy.remove(id.key(page: page)) {
          cost += one
          count += 1
          if part.lostPage(number) { break }
        }
        page += 1
      }
      return (cost, count)
    }
    self.cost.subtract(cost, ordering: .relaxed)
    self.count.subtract(count, ordering: .relaxed)
    return cost
  }

  /// What was taken out has left the disk.
  func freed(_ cost: Int64) {
    self.cost.subtract(cost, ordering: .relaxed)
    count.subtract(1, ordering: .relaxed)
  }

  /// Takes the next page out, of the part that holds most. It is counted until ``freed(_:)``.
  func takeVictim() -> Victim? {
    var largest = (part: 0, cost: Int64(-1))
    for index in 0..<16 {
      let cost = parts[index].withLock { $0.policy.cost }
      if cost > largest.cost { largest = (index, cost) }
    }
    return parts[largest.part].withLock { part -> Victim? in
      guard let (_, slot, cost) = part.policy.takeVictim() else { return nil }
      let file = part.files[Int(slot.file)]
      let page = Page(id: file.id, page: slot.page, size: file.size)
      return Victim(page: page, cost: cost, isLast: part.lostPage(slot.file))
    }
  }

  /// Whether any page of the file is known.
  func contains(_ id: FileVersionID) -> Bool { parts[part(id)].withLock { $0.numbers[id] != nil } }

  /// Whether the page is known.
  func contains(_ id: FileVersionID, page: Int64) -> Bool {
    parts[part(id)].withLock { $0.policy.contains(id.key(page: page)) }
  }

  /// The file was seen on disk.
  func confirm(_ id: FileVersionID) -> Bool {
    parts[part(id)].withLock { part in
      guard let number = part.numbers[id] else { return false }
      part.files[Int(number)].isPresumed = false
      return true
    }
  }

  /// Files that only the order file knows.
  func presumedFiles() -> [FileVersionID] {
    var found: [FileVersionID] = []
    for index in 0..<16 {
      parts[index].withLock { part in
        for (id, number) in part.numbers where part.files[Int(number)].isPresumed { found.append(id) }
      }
    }
    return found
  }

  /// All pages, part by part, those that go first in front.
  func forEach(_ body: (Page, S3FIFO<Void>.Queue, UInt8) -> Void) {
    for index in 0..<16 {
      parts[index].withLock { part in
        part.policy.forEach { _, slot, queue, reads in
          let file = part.files[Int(slot.file)]
          let page = Page(id: file.id, page: slot.page, size: file.size)
          body(page, queue == .small ? .small : .main, reads)
        }
      }
    }
  }
}
