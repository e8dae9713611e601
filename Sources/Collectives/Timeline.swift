/// What this rank did, and when: spans of a stretch of steps, in memory that is allocated once.
///
/// A ``Communicator`` without a timeline records nothing, at the cost of one test a span.
package final class Timeline {
  /// What a span is of. Those of one lane nest or follow each other.
  package enum Kind: UInt8, Sendable, CaseIterable {
    /// A whole step, and the phases that it is made of.
    case step, data, forward, backward, exchange, optimizer
    /// What comes between steps.
    case evaluation, save
    /// A bucket of gradients or parameters in transit: from the call that starts its messages to the
    /// poll that finds them complete.
    case transfer
    /// Received gradients are added to this rank's, or those of a node's ranks are summed.
    case reduce
    /// A bucket of parameters is updated.
    case update
    /// Parameters are copied from a neighbour's memory.
    case copy
    /// Nothing to do before a bucket comes in, or before all ranks have met.
    case waitForTransfer, waitForRanks
  }

  /// Where a span is drawn: spans of messages overlap those of the work beside them.
  package struct Lane: Sendable, Hashable {
    package let index: UInt8

    /// What the rank's main thread does.
    package static let work = Lane(index: 0)

    /// Messages of the sharded exchange, by slot: one at a time in each.
    static func exchange(_ slot: Int) -> Lane { Lane(index: 1 + UInt8(slot)) }
    /// Messages of the words' gradients, likewise.
    static func words(_ slot: Int) -> Lane {
      Lane(index: 1 + UInt8(BucketPipeline.slots + slot))
    }

    package static let count = 1 + BucketPipeline.slots + TreeAllReduce.slots

    package var name: String {
      switch Int(index) {
      case 0: "steps"
      case ...BucketPipeline.slots: "messages \(index)"
      default: "messages of words \(Int(index) - BucketPipeline.slots)"
      }
    }
  }

  package struct Span: Sendable, Equatable {
    package var kind: Kind
    package var lane: Lane = .work
    /// Of a step its number, else of a bucket; -1 for none.
    package var number: Int32 = -1
    /// The other rank; -1 for none.
    package var peer: Int32 = -1
    package var bytesSent = 0
    package var bytesReceived = 0
    /// Nanoseconds of the machine's monotonic clock.
    package var start: UInt64
    package var end: UInt64

    package init(kind: Kind, start: UInt64, end: UInt64) {
      self.kind = kind
      self.start = start
      self.end = end
    }
  }

  /// Spans that are kept: the first ones.
  package static let capacity = 1 << 16

  /// [capacity], of which `count` are there.
  private let storage: UnsafeMutableBufferPointer<Span>
  private var count = 0
  /// Spans that there was no room for.
  package private(set) var dropped = 0

  package init() {
    storage = .allocate(capacity: Self.capacity)
    storage.initialize(repeating: Span(kind: .step, start: 0, end: 0))
  }

  deinit { storage.deallocate() }

  package var spans: UnsafeBufferPointer<Span> {
    UnsafeBufferPointer(rebasing: storage[..<count])
  }

  package func record(_ span: Span) {
    guard count < storage.count else {
      dropped += 1
      return
    }
    storage[count] = span
    count += 1
  }

  /// What spans count in.
  package static var now: UInt64 { monotonicNanoseconds() }
}

extension Timeline {
  /// Records the messages of a step that are complete now, if it has any.
  ///
  /// - Parameter bucket: -1 for words.
  func record(_ step: ReductionTree.Step, from start: UInt64, on lane: Lane, bucket: Int) {
    guard !step.send.isEmpty || !step.receive.isEmpty else { return }
    var span = Span(kind: .transfer, start: start, end: Self.now)
    span.lane = lane
    span.number = Int32(bucket)
    span.peer = Int32(step.peer)
    span.bytesSent = step.send.count * MemoryLayout<Float>.stride
    span.bytesReceived = step.receive.count * MemoryLayout<Float>.stride
    record(span)
  }
}

extension Communicator {
  /// Runs `body`, and records it where there is a timeline.
  @inline(__always)
  package func span<Value, Failure: Error>(
    _ kind: Timeline.Kind, number: Int = -1, _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    guard let timeline else { return try body() }
    let start = Timeline.now
    defer {
      var span = Timeline.Span(kind: kind, start: start, end: Timeline.now)
      span.number = Int32(number)
      timeline.record(span)
    }
    return try body()
  }
}
