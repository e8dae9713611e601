import Foundation
import SwiftProtobuf

/// A number that TensorBoard plots over the steps.
package struct Scalar: Sendable, Equatable {
  /// Its name; what stands before the first slash is its group.
  package let tag: String
  package let value: Double

  package init(_ tag: String, _ value: Double) {
    self.tag = tag
    self.value = value
  }
}

/// The records of an event file, as bytes in its order: first ``fileVersion(at:)``, then
/// ``sessionStart(step:at:)``, then scalars.
///
/// A record is the event's length (8 bytes, little-endian), the length's masked CRC-32C, the event as a
/// protocol buffer, and its masked CRC-32C: TensorFlow's TFRecord.
package enum EventRecord {
  /// What every event file begins with.
  package static func fileVersion(at time: Date) throws -> [UInt8] {
    try record(step: 0, time, .fileVersion("brain.Event:2"))
  }

  /// Says that a job begins with `step`: TensorBoard forgets what earlier files have of it and of later
  /// steps.
  package static func sessionStart(step: Int, at time: Date) throws -> [UInt8] {
    var log = Tensorboard_SessionLog()
    log.status = .start
    return try record(step: step, time, .sessionLog(log))
  }

  /// Scalars of a step; their values are rounded to float32, as the format has them.
  package static func scalars(_ scalars: [Scalar], step: Int, at time: Date) throws -> [UInt8] {
    var summary = Tensorboard_Summary()
    summary.value = scalars.map { scalar in
      var value = Tensorboard_Summary.Value()
      value.tag = scalar.tag
      value.simpleValue = Float(scalar.value)
      return value
    }
    return try record(step: step, time, .summary(summary))
  }

  private static func record(
    step: Int, _ time: Date, _ what: Tensorboard_Event.OneOf_What
  ) throws -> [UInt8] {
    var event = Tensorboard_Event()
    event.wallTime = time.timeIntervalSince1970
    event.step = Int64(step)
    event.what = what
    let data: [UInt8] = try event.serializedBytes()
    let length = littleEndian(UInt64(data.count))
    return length + littleEndian(CRC32C.masked(length)) + data
      + littleEndian(CRC32C.masked(data))
  }

  private static func littleEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
  }
}

/// The names of event files in a folder, which TensorBoard reads in the order of their names.
package enum EventFileName {
  private static let prefix = "events.out.tfevents."

  /// A name after all of `names`, even where a clock stands still or went back.
  ///
  /// - Parameters:
  ///   - names: What the folder has.
  ///   - host: The machine that writes the file.
  package static func next(
    after names: [String], at time: Date, host: String, process: Int32
  ) -> String {
    let latest = names.compactMap { name -> Int? in
      guard name.hasPrefix(prefix) else { return nil }
      return Int(name.dropFirst(prefix.count).prefix { $0 != "." })
    }.max()
    let seconds = max(Int(time.timeIntervalSince1970), (latest ?? 0) + 1)
    // Ten digits, as of 2001 to 2286, sort as they count.
    return "\(prefix)\(seconds).\(host).\(process).lockstep"
  }
}
