import Collectives
import Foundation

// The recording of steps for --trace. All ranks decide by the step alone, so they agree.
extension Trainer {
  /// Begins a trace where the next step is the first of one; a collective call.
  func beginTrace() throws {
    guard trace == nil, let range = options.trace?.range(of: state.globalStep + 1) else { return }
    communicator.enter("comparing clocks", step: state.globalStep)
    let timeline = Timeline()
    trace = StepTrace(
      firstStep: state.globalStep + 1, lastStep: range.upperBound, timeline: timeline,
      clocks: try communicator.clockOffsets())
    communicator.timeline = timeline
    replica.phases.timeline = timeline
  }

  /// Writes the trace whose last step is done, with what came after that; a collective call.
  ///
  /// - Parameter isLast: Whether the job takes no more steps.
  func endTrace(isLast: Bool) throws {
    guard let trace, isLast || state.globalStep >= trace.lastStep else { return }
    self.trace = nil
    communicator.timeline = nil
    replica.phases.timeline = nil
    communicator.enter("writing the trace", step: state.globalStep)
    let ranks = try RankSpans.gather(trace.timeline, communicator)
    guard communicator.rank == 0 else { return }
    let path = "\(options.output)/trace-\(trace.firstStep).json"
    let file = TraceFile(trace, ranks, lastStep: state.globalStep)
    // A full disk costs the trace, not the run.
    do { try file.write(to: path) } catch {
      return report.warn("\(path) was not written: \(error)")
    }
    let dropped = ranks.reduce(0) { $0 + $1.dropped }
    if dropped > 0 {
      report.warn("\(path) lacks \(dropped) spans for want of room: trace fewer steps at a time")
    }
    report.say("wrote \(path), for ui.perfetto.dev or chrome://tracing")
  }
}

/// A stretch of steps that is being recorded.
struct StepTrace {
  /// The first that this job takes of it.
  let firstStep: Int
  let lastStep: Int
  let timeline: Timeline
  /// [ranks], on rank 0.
  let clocks: [ClockOffset]
}

/// What a rank recorded.
struct RankSpans {
  let host: String
  /// Spans that there was no room for.
  let dropped: Int
  let spans: [Timeline.Span]

  /// Brings the spans of all ranks to rank 0; a collective call.
  ///
  /// - Returns: On rank 0 [ranks], elsewhere nothing.
  static func gather(
    _ timeline: Timeline, _ communicator: Communicator
  ) throws(CollectiveError) -> [RankSpans] {
    let host = Array(communicator.host.utf8)
    // Ranks of one job are of one build: spans go as they are in memory.
    let header = withUnsafeBytes(of: (host.count, timeline.dropped)) { Array($0) }
    let own = header + host + UnsafeRawBufferPointer(timeline.spans)
    var ranks: [RankSpans] = []
    try communicator.gatherToRoot(own) { _, bytes in ranks.append(RankSpans(bytes)) }
    return ranks
  }

  private init(_ bytes: [UInt8]) {
    let word = MemoryLayout<Int>.size
    (host, dropped, spans) = bytes.withUnsafeBytes { bytes in
      let length = bytes.load(as: Int.self)
      let start = 2 * word + length
      let stride = MemoryLayout<Timeline.Span>.stride
      return (
        String(decoding: bytes[2 * word..<start], as: UTF8.self),
        bytes.load(fromByteOffset: word, as: Int.self),
        (0..<(bytes.count - start) / stride).map {
          bytes.loadUnaligned(fromByteOffset: start + $0 * stride, as: Timeline.Span.self)
        }
      )
    }
  }
}
