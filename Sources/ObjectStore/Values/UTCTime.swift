/// A second of UTC, in the forms that HTTP, XML and signatures write it in. Proleptic Gregorian calendar, no leap seconds.
package struct UTCTime: Sendable, Hashable, Comparable {
  /// Seconds since 1970-01-01T00:00:00Z.
  package let seconds: Int64

  package init(seconds: Int64) { self.seconds = seconds }

  package static func < (left: UTCTime, right: UTCTime) -> Bool { left.seconds < right.seconds }

  private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
  private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]

  private var secondOfDay: Int64 { seconds - day * 86_400 }
  private var day: Int64 { seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400 }

  /// Year, month and day of the month. Counts in eras of 400 years that begin on the first of March.
  private var date: (year: Int64, month: Int64, day: Int64) {
    let shifted = day + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }

  private init?(year: Int64, month: Int64, day: Int64, hour: Int64, minute: Int64, second: Int64) {
    guard (1...9999).contains(year), (1...12).contains(month), (1...31).contains(day), (0...23).contains(hour),
      (0...59).contains(minute), (0...60).contains(second)
    else { return nil }
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = shiftedYear / 400
    let yearOfEra = shiftedYear - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second
    // The 31st of a month of 30 days is the first of the next: not what was written.
    guard date.day == day, date.month == month else { return nil }
  }

  private static func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }

  private var clock: (hour: Int64, minute: Int64, second: Int64) {
    (secondOfDay / 3600, secondOfDay / 60 % 60, secondOfDay % 60)
  }

  /// `20130524`, the day in the scope of a signature.
  package var basicDay: String {
    let (year, month, day) = date
    let padded = String(repeating: "0", count: max(0, 4 - "\(year)".utf8.count)) + "\(year)"
    return padded + Self.two(month) + Self.two(day)
  }

  /// `20130524T000000Z`, as `x-amz-date`.
  package var basic: String {
    let (hour, minute, second) = clock
    return "\(basicDay)T\(Self.two(hour))\(Self.two(minute))\(Self.two(second))Z"
  }

  /// `Fri, 24 May 2013 00:00:00 GMT`. RFC 9110, 5.6.7.
  package var httpDate: String {
    let (year, month, dayOfMonth) = date
    let (hour, minute, second) = clock
    let weekday = Self.weekdays[Int(((day % 7) + 7) % 7)]
    return "\(weekday), \(Self.two(dayOfMonth)) \(Self.months[Int(month - 1)]) \(year) "
      + "\(Self.two(hour)):\(Self.two(minute)):\(Self.two(second)) GMT"
  }
}

extension UTCTime {
  /// Reads the preferred form of HTTP dates; nil for anything else. The day of the week is not compared.
  package init?(httpDate text: String) {
    let parts = text.split(separator: " ")
    guard parts.count == 6, parts[5] == "GMT", let month = Self.months.firstIndex(of: String(parts[2])),
      let day = Self.number(parts[1], digits: 2), let year = Self.number(parts[3], digits: 4)
    else { return nil }
    let clock = parts[4].split(separator: ":", omittingEmptySubsequences: false)
    guard clock.count == 3, let hour = Self.number(clock[0], digits: 2), let minute = Self.number(clock[1], digits: 2),
      let second = Self.number(clock[2], digits: 2)
    else { return nil }
    self.init(year: year, month: Int64(month) + 1, day: day, hour: hour, minute: minute, second: second)
  }

  /// Reads `2009-10-12T17:50:30.000Z`, with and without a fraction, which is cut off; nil for anything else.
  package init?(iso8601 text: String) { self.init(iso8601: Array(text.utf8)) }

  /// The same of bytes, as every object of a listing has it: nothing is allocated.
  init?(iso8601 bytes: [UInt8]) {
    guard (20...35).contains(bytes.count), bytes[bytes.count - 1] == UInt8(ascii: "Z"), bytes[4] == UInt8(ascii: "-"),
      bytes[7] == UInt8(ascii: "-"), bytes[10] == UInt8(ascii: "T"), bytes[13] == UInt8(ascii: ":"),
      bytes[16] == UInt8(ascii: ":")
    else { return nil }
    for place in 19..<bytes.count - 1 {
      let isRight = place == 19 ? bytes[place] == UInt8(ascii: ".") : (0x30...0x39).contains(bytes[place])
      guard isRight else { return nil }
    }
    guard let year = Self.number(bytes, 0..<4), let month = Self.number(bytes, 5..<7),
      let day = Self.number(bytes, 8..<10), let hour = Self.number(bytes, 11..<13),
      let minute = Self.number(bytes, 14..<16), let second = Self.number(bytes, 17..<19)
    else { return nil }
    self.init(year: year, month: month, day: day, hour: hour, minute: minute, second: second)
  }

  private static func number(_ bytes: [UInt8], _ range: Range<Int>) -> Int64? {
    var value: Int64 = 0
    for place in range {
      guard (0x30...0x39).contains(bytes[place]) else { return nil }
      value = value * 10 + Int64(bytes[place] - 0x30)
    }
    return value
  }

  private static func number(_ text: some StringProtocol, digits: Int) -> Int64? {
    guard text.utf8.count == digits, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int64(text)
  }
}
