import Collectives
import Foundation
import Manifests

/// A trace in Chrome's Trace Event Format, which Perfetto and chrome://tracing open: a process a rank,
/// a thread for its steps and one for each slot of messages.
///
/// Times are microseconds since the first slice of any rank, by rank 0's clock: ranks do not begin at one
/// moment, and Perfetto drops what has a negative time.
struct TraceFile {
  private let trace: StepTrace
  private let ranks: [RankSpans]
  private let lastStep: Int
  /// Nanoseconds, by rank 0's clock.
  private let origin: Int64

  /// - Parameters:
  ///   - ranks: What each recorded.
  ///   - lastStep: That was done.
  init(_ trace: StepTrace, _ ranks: [RankSpans], lastStep: Int) {
    self.trace = trace
    self.ranks = ranks
    self.lastStep = lastStep
    origin =
      zip(ranks, trace.clocks).flatMap { recorded, clock in
        recorded.spans.map { clock.corrected($0.start) }
      }.min() ?? 0
  }

  /// Writes the file whole or not at all.
  func write(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try replaceFile(path) { append in
      try append(Array("{\"traceEvents\":[\n".utf8))
      var separator = ""
      for (rank, recorded) in ranks.enumerated() {
        var lines: [UInt8] = []
        for event in labels(of: recorded, rank: rank) + slices(of: recorded, rank: rank) {
          lines += Array(separator.utf8) + (try encoder.encode(event))
          separator = ",\n"
        }
        try append(lines)
      }
      try append(Array("\n],\"displayTimeUnit\":\"ms\",\"otherData\":".utf8))
      try append(Array(try encoder.encode(about)) + Array("}\n".utf8))
    }
  }

  private var about: About {
    About(
      steps: [trace.firstStep, lastStep],
      clocks: ranks.indices.map { rank in
        let clock = trace.clocks[rank]
        return About.Clock(
          rank: rank, host: ranks[rank].host, offset: clock.nanoseconds,
          roundTrip: clock.roundTripNanoseconds)
      }, dropped: ranks.map(\.dropped))
  }

  // Thread numbers differ between processes too, which Perfetto is happier with.
  private func thread(_ lane: Timeline.Lane, rank: Int) -> Int {
    1 + rank * Timeline.Lane.count + Int(lane.index)
  }

  /// Names of a rank's process and threads.
  private func labels(of recorded: RankSpans, rank: Int) -> [TraceEvent] {
    func label(_ name: String, thread: Int, _ arguments: TraceEvent.Arguments) -> TraceEvent {
      TraceEvent(name: name, phase: "M", process: rank, thread: thread, arguments: arguments)
    }
    let main = thread(.work, rank: rank)
    return [
      label("process_name", thread: main, .init(name: "rank \(rank) (\(recorded.host))")),
      label("process_sort_index", thread: main, .init(sortIndex: rank)),
    ]
      + Set(recorded.spans.map(\.lane)).sorted { $0.index < $1.index }.flatMap { lane in
        [
          label(
            "thread_name", thread: thread(lane, rank: rank), .init(name: lane.name)),
          label(
            "thread_sort_index", thread: thread(lane, rank: rank),
            .init(sortIndex: Int(lane.index))),
        ]
      }
  }

  /// A rank's spans, an outer one before those in it.
  private func slices(of recorded: RankSpans, rank: Int) -> [TraceEvent] {
    let clock = trace.clocks[rank]
    func microseconds(_ time: UInt64) -> Double { Double(clock.corrected(time) - origin) / 1000 }
    return recorded.spans
      .sorted { ($0.lane.index, $0.start, $1.end) < ($1.lane.index, $1.start, $0.end) }
      .map { span in
        TraceEvent(
          name: span.title, category: span.category, phase: "X",
          start: microseconds(span.start), duration: Double(span.end - span.start) / 1000,
          process: rank, thread: thread(span.lane, rank: rank), arguments: span.arguments)
      }
  }
}

extension ClockOffset {
  /// The moment that the rank's clock called `time`, by rank 0's clock.
  fileprivate func corrected(_ time: UInt64) -> Int64 { Int64(bitPattern: time) - nanoseconds }
}

/// What the file says of itself, beside the events.
private struct About: Encodable {
  struct Clock: Encodable {
    let rank: Int
    let host: String
    let offset: Int64
    let roundTrip: UInt64

    enum CodingKeys: String, CodingKey {
      case rank, host
      case offset = "offset_ns"
      case roundTrip = "round_trip_ns"
    }
  }

  let format = "lockstep-trace"
  let version = 1
  /// First and last.
  let steps: [Int]
  /// [ranks] What was subtracted from each rank's clock, and the shortest way there and back.
  let clocks: [Clock]
  /// [ranks] Spans that there was no room for.
  let dropped: [Int]
}

private struct TraceEvent: Encodable {
  struct Arguments: Encodable {
    var name: String?
    var sortIndex: Int?
    var step: Int?
    var bucket: Int?
    var peer: Int?
    var bytesSent: Int?
    var bytesReceived: Int?

    enum CodingKeys: String, CodingKey {
      case name, step, bucket, peer
      case sortIndex = "sort_index"
      case bytesSent = "bytes_sent"
      case bytesReceived = "bytes_received"
    }
  }

  var name: String
  var category: String?
  var phase: String
  var start: Double?
  var duration: Double?
  var process: Int
  var thread: Int
  var arguments: Arguments?

  enum CodingKeys: String, CodingKey {
    case name
    case category = "cat"
    case phase = "ph"
    case start = "ts"
    case duration = "dur"
    case process = "pid"
    case thread = "tid"
    case arguments = "args"
  }
}

extension Timeline.Span {
  fileprivate var title: String {
    let bucket = number < 0 ? "words" : "bucket \(number)"
    return switch kind {
    case .step: "step \(number)"
    case .data, .forward, .backward, .exchange, .optimizer, .evaluation, .save: "\(kind)"
    case .transfer: "\(bucket) with rank \(peer)"
    case .reduce, .copy: "\(kind) \(bucket)"
    case .update: number < 0 ? "update" : "update \(bucket)"
    case .waitForTransfer: "wait for messages"
    case .waitForRanks: "wait for all ranks"
    }
  }

  fileprivate var category: String {
    switch kind {
    case .step: "step"
    case .data, .forward, .backward, .exchange, .optimizer: "phase"
    case .evaluation, .save: "between"
    case .transfer: "messages"
    case .reduce, .update, .copy: "bucket"
    case .waitForTransfer, .waitForRanks: "wait"
    }
  }

  fileprivate var arguments: TraceEvent.Arguments? {
    switch kind {
    case .step: return .init(step: Int(number))
    case .transfer:
      return .init(
        bucket: number < 0 ? nil : Int(number), peer: Int(peer), bytesSent: bytesSent,
        bytesReceived: bytesReceived)
    case .reduce, .update, .copy: return number < 0 ? nil : .init(bucket: Int(number))
    default: return nil
    }
  }
}
