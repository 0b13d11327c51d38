import Glibc
package import SystemPackage

/// What this process uses of the machine, as `/proc/self` tells.
package struct ProcessUsage: Sendable, Hashable {
  /// User and system time.
  package var cpuSeconds: Double
  package var residentBytes: UInt64
  package var virtualBytes: UInt64
  package var threads: UInt64
  package var openDescriptors: UInt64
  /// RLIMIT_NOFILE, soft.
  package var maximumDescriptors: UInt64
  /// Seconds of Unix time.
  package var startTime: Double

  /// Now. - Throws: where there is no /proc.
  package static func own() throws(Errno) -> Self {
    let text = try WholeFile.text("/proc/self/stat")
    // The program's name, in parentheses, may hold anything; proc_pid_stat(5) numbers what follows from 3.
    guard let end = text.lastIndex(of: ")") else { throw .invalidArgument }
    let fields = text[text.index(after: end)...].split(separator: " ")
    func field(_ number: Int) -> UInt64 { number - 3 < fields.count ? UInt64(fields[number - 3]) ?? 0 : 0 }
    let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    let open = UInt64(try DirectoryNames.list("/proc/self/fd").count)
    return Self(
      cpuSeconds: Double(field(14) + field(15)) / ticks,
      residentBytes: field(24) * UInt64(sysconf(Int32(_SC_PAGESIZE))), virtualBytes: field(23), threads: field(20),
      openDescriptors: open, maximumDescriptors: try ResourceLimit.openFiles().current,
      startTime: try bootTime() + Double(field(22)) / ticks)
  }

  /// Seconds of Unix time at which the machine was started.
  package static func bootTime() throws(Errno) -> Double {
    let text = try WholeFile.text("/proc/stat")
    let line = text.split(separator: "\n").first { $0.hasPrefix("btime ") }
    return line.flatMap { Double($0.dropFirst("btime ".count)) } ?? 0
  }
}
