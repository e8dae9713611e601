import Collectives

/// Clocks that are compared and what ranks recorded, brought to rank 0.
func checkTimeline(_ communicator: Communicator, _: [String]) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  let offsets = try communicator.clockOffsets()
  try require(offsets.count == (rank == 0 ? size : 0), "\(offsets.count) clock offsets")
  // Ranks of one machine have one clock: a measurement that cannot tell them apart says so.
  for (peer, offset) in offsets.enumerated() {
    try require(offset.nanoseconds == 0, "rank \(peer): \(offset.nanoseconds) ns on one machine")
    try require(peer == 0 || offset.roundTripNanoseconds > 0, "rank \(peer): no way there and back")
  }

  // Nothing on rank 0, more on every further rank.
  let own = [UInt8](repeating: UInt8(rank), count: rank * 100_000)
  communicator.largestMessage = 30_000
  var gathered: [[UInt8]] = []
  try communicator.gatherToRoot(own) { peer, bytes in
    if peer == gathered.count { gathered.append(bytes) }
  }
  try require(gathered.count == (rank == 0 ? size : 0), "\(gathered.count) ranks' bytes")
  for (peer, bytes) in gathered.enumerated() {
    try require(
      bytes.count == peer * 100_000 && bytes.allSatisfy { Int($0) == peer },
      "bytes of rank \(peer) are not its own")
  }
  try checkWaits(communicator)
}

/// Who comes late to a meeting has the others wait.
private func checkWaits(_ communicator: Communicator) throws {
  let timeline = Timeline()
  communicator.timeline = timeline
  defer { communicator.timeline = nil }
  let start = Timeline.now
  let isLate = communicator.rank == communicator.size - 1
  while isLate, Timeline.now - start < 50_000_000 {}
  _ = try communicator.sumAll([1])
  let waits = timeline.spans.filter { $0.kind == .waitForRanks }
  let longest = waits.map { $0.end - $0.start }.max() ?? 0
  let latest = waits.map(\.end).max() ?? 0
  try require(latest <= Timeline.now, "a wait that has not ended")
  if !isLate { try require(longest > 20_000_000, "rank \(communicator.rank) waited \(longest) ns") }
}
