import COpenMPI

/// Buckets of a buffer on their way through the steps of a tree, a few at a time: while one is in
/// transit another is added or updated.
///
/// Which of them are under way at a moment, and who is ahead, changes no bit: every element has its
/// own tree. All ranks start the buckets in the same order, so none waits for one that another
/// cannot start.
final class BucketPipeline {
  /// What is done to a bucket, by its number, on its way.
  struct Actions {
    /// Whether the bucket can begin its way.
    var mayStart: (Int) -> Bool = { _ in true }
    /// Before the first step.
    var start: (Int) -> Void = { _ in }
    /// Adds what came in.
    var add: TreeAllReduce.Add = addElementwise
    /// After the last step.
    var end: (Int) -> Void = { _ in }
  }

  /// In bytes, since the pipeline was made.
  private(set) var bytesSent = 0

  private struct Flight {
    let bucket: Int
    /// The one that is posted.
    var step: Int
    /// When; 0 without a timeline.
    var start: UInt64 = 0
  }

  private let communicator: Communicator
  private let layout: ShardLayout
  /// [slots]
  private var flights: [Flight?]
  /// [slots, slotFloats]: what comes in and is to be added.
  private let scratch: UnsafeMutablePointer<Float>
  private let slotFloats: Int
  /// [slots, 2]: a slot's pending receive and send.
  private let requests: UnsafeMutablePointer<MPI_Request?>
  // The pass that is under way.
  private var buffer: UnsafeMutablePointer<Float>?
  private var steps = 0..<0
  private var actions = Actions()
  private var nextBucket = 0
  private var endedBuckets = 0

  static let slots = 3

  init(_ communicator: Communicator, _ layout: ShardLayout) {
    self.communicator = communicator
    self.layout = layout
    flights = Array(repeating: nil, count: Self.slots)
    slotFloats = layout.tree.stepCount == 0 ? 0 : min(layout.bucketFloats, layout.count)
    scratch = .allocate(capacity: Self.slots * slotFloats)
    requests = .allocate(capacity: 2 * Self.slots)
    requests.initialize(repeating: lockstep_request_null(), count: 2 * Self.slots)
  }

  deinit {
    scratch.deallocate()
    requests.deallocate()
  }

  /// Prepares a pass of all buckets through `steps`, perhaps none; nothing is sent before
  /// ``advance()``.
  func begin(
    _ buffer: UnsafeMutablePointer<Float>, _ steps: Range<Int>, _ actions: Actions
  ) {
    precondition(isDone, "a pass is under way")
    self.buffer = buffer
    self.steps = steps
    self.actions = actions
    (nextBucket, endedBuckets) = (0, 0)
  }

  var isDone: Bool { buffer == nil || endedBuckets == layout.bucketCount }

  /// Does what can be done without waiting.
  ///
  /// - Returns: whether anything was done.
  func advance() throws(CollectiveError) -> Bool {
    guard buffer != nil else { return false }
    var hasMoved = false
    for slot in 0..<Self.slots {
      if flights[slot] == nil, nextBucket < layout.bucketCount, actions.mayStart(nextBucket) {
        try start(slot)
        hasMoved = true
      }
      while let flight = flights[slot],
        try communicator.isComplete(
          requests + 2 * slot, count: 2, "the exchange with rank \(peer(of: flight))")
      {
        try complete(flight, slot)
        hasMoved = true
      }
    }
    return hasMoved
  }

  /// Waits until all buckets are through.
  func finish() throws(CollectiveError) {
    while !isDone {
      try communicator.wait(for: .transfer) { () throws(CollectiveError) in try advance() }
    }
    end()
  }

  /// Forgets a pass that is done.
  func end() {
    precondition(isDone, "a pass is under way")
    buffer = nil
    actions = Actions()
  }

  private func start(_ slot: Int) throws(CollectiveError) {
    let bucket = nextBucket
    nextBucket += 1
    actions.start(bucket)
    if steps.isEmpty {
      communicator.worked()
      return end(bucket)
    }
    flights[slot] = Flight(bucket: bucket, step: steps.lowerBound)
    try post(slot)
  }

  private func end(_ bucket: Int) {
    endedBuckets += 1
    actions.end(bucket)
  }

  private func step(of flight: Flight) -> ReductionTree.Step {
    layout.step(flight.step, of: communicator.rank, bucket: flight.bucket)
  }

  private func peer(of flight: Flight) -> Int { step(of: flight).peer }

  /// Starts the messages of a slot's step. The bucket makes the tag: messages between two ranks match
  /// in order within a tag only. A `TreeAllReduce` may run while buckets are under way, and has the
  /// low tags.
  private func post(_ slot: Int) throws(CollectiveError) {
    guard let flight = flights[slot], let buffer else { return }
    if communicator.timeline != nil { flights[slot]?.start = Timeline.now }
    let step = step(of: flight)
    let (peer, tag) = (Int32(step.peer), Int32(0x4000 | flight.bucket & 0x3fff))
    let world = lockstep_comm_world()
    if !step.receive.isEmpty {
      let target = step.adds ? scratch + slot * slotFloats : buffer + step.receive.lowerBound
      try communicator.check(
        MPI_Irecv(
          target, Int32(step.receive.count), lockstep_float(), peer, tag, world,
          requests + 2 * slot), "MPI_Irecv from rank \(peer)")
    }
    if !step.send.isEmpty {
      try communicator.check(
        MPI_Isend(
          buffer + step.send.lowerBound, Int32(step.send.count), lockstep_float(), peer, tag,
          world, requests + 2 * slot + 1), "MPI_Isend to rank \(peer)")
      bytesSent += step.send.count * MemoryLayout<Float>.stride
    }
  }

  /// Adds what came in, and goes on to the bucket's next step or the end of its way.
  private func complete(_ flight: Flight, _ slot: Int) throws(CollectiveError) {
    communicator.worked()
    let step = step(of: flight)
    communicator.timeline?.record(
      step, from: flight.start, on: .exchange(slot), bucket: flight.bucket)
    if step.adds, !step.receive.isEmpty, let buffer {
      communicator.span(.reduce, number: flight.bucket) {
        actions.add(
          buffer + step.receive.lowerBound, scratch + slot * slotFloats, step.receive.count)
      }
    }
    if flight.step + 1 < steps.upperBound {
      flights[slot] = Flight(bucket: flight.bucket, step: flight.step + 1)
      try post(slot)
    } else {
      flights[slot] = nil
      end(flight.bucket)
    }
  }
}
