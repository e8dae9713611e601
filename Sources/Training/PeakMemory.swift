import Collectives
import Foundation

/// The most memory that this process has had resident, as Linux counts it.
package enum PeakMemory {
  /// VmHWM of /proc/self/status in bytes; 0 where there is none.
  package static var bytes: Int {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else {
      return 0
    }
    return highWaterMark(inStatus: status)
  }

  /// Begins to count anew from what is resident now.
  ///
  /// - Returns: Whether the kernel does that (/proc/self/clear_refs, Linux 4.0).
  package static func reset() -> Bool {
    guard let file = FileHandle(forWritingAtPath: "/proc/self/clear_refs") else { return false }
    return (try? file.write(contentsOf: Data("5".utf8))) != nil
  }

  /// - Parameter status: Text of a /proc status file, whose `VmHWM` is in kibibytes.
  static func highWaterMark(inStatus status: String) -> Int {
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    let fields = line?.split(whereSeparator: \.isWhitespace) ?? []
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * 1024 : 0
  }
}

extension Communicator {
  /// Every rank's peak of resident memory in bytes, by rank; a collective call.
  package func peakMemory() throws -> [Int] {
    try gatherAll([UInt64(PeakMemory.bytes)]).map { Int($0[0]) }
  }
}
