import Collectives
import Encoders
import Glibc
import Kernels
import Training

private let patience = Duration.seconds(2)

private func watch(_ communicator: Communicator, isStopRequested: Bool = false) throws {
  try communicator.watch(patience: patience) { isStopRequested }
  communicator.enter("work", step: 17)
  try meet(communicator)
}

/// Works in small pieces for a while, as a rank with a long phase does.
private func work(_ communicator: Communicator, seconds: Double) {
  let start = wallSeconds()
  while wallSeconds() - start < seconds {
    usleep(10_000)
    communicator.worked()
  }
}

/// The rank that the argument names does nothing any more, as one whose disk hangs.
func fallSilent(_ communicator: Communicator, _ arguments: [String]) throws {
  try watch(communicator)
  if communicator.rank == arguments.first.flatMap({ Int($0) }) ?? 0 {
    work(communicator, seconds: 0.5)
    sleep(60)
  }
  try meet(communicator)
}

/// The rank that the argument names is killed.
func die(_ communicator: Communicator, _ arguments: [String]) throws {
  try watch(communicator)
  if communicator.rank == arguments.first.flatMap({ Int($0) }) ?? 0 { kill(getpid(), SIGKILL) }
  try meet(communicator)
}

/// All ranks are there and wait.
func standStill(_ communicator: Communicator, _: [String]) throws {
  try watch(communicator)
  let start = wallSeconds()
  while wallSeconds() - start < 60 {
    usleep(10_000)
    communicator.waited()
  }
}

/// Every rank in turn works for longer than the patience while the others wait for it.
func checkLongWork(_ communicator: Communicator, _: [String]) throws {
  try watch(communicator)
  for worker in 0..<communicator.size {
    if communicator.rank == worker { work(communicator, seconds: 3) }
    try meet(communicator)
  }
}

/// Rank 0 learns while it works that the last rank, which waits, was asked to stop.
func checkStopRequest(_ communicator: Communicator, _: [String]) throws {
  try watch(communicator, isStopRequested: communicator.rank == communicator.size - 1)
  if communicator.rank == 0 {
    let start = wallSeconds()
    while communicator.heartbeats?.isStopRequestedAnywhere != true {
      try require(wallSeconds() - start < 5, "no word of the request after 5 s")
      work(communicator, seconds: 0.02)
    }
  }
  try meet(communicator)
}

/// What the last rank asks for reaches every rank that works, for rank 0 passes it on.
func checkPassedOnStopRequest(_ communicator: Communicator, _: [String]) throws {
  try watch(communicator)
  if communicator.rank == communicator.size - 1 { communicator.heartbeats?.askToStop() }
  let start = wallSeconds()
  while communicator.heartbeats?.isStopRequestedAnywhere != true {
    try require(wallSeconds() - start < 5, "no word of the request after 5 s")
    work(communicator, seconds: 0.02)
  }
  communicator.heartbeats?.askToStop()
  try meet(communicator)
}

/// One bit of one parameter differs on the rank that the argument names.
func checkDrift(_ communicator: Communicator, _ arguments: [String]) throws {
  let drifted = arguments.first.flatMap { Int($0) } ?? 0
  let layout = EncoderModel(
    ModelConfiguration(
      vocabularySize: 50, hiddenSize: 16, layerCount: 2, headCount: 2, intermediateSize: 20,
      maxPositions: 20, labelNames: ["a", "b"])
  ).layout
  let parameters = Arena(count: layout.count)
  for index in 0..<layout.count { parameters.base[index] = Float(index) / 7 }
  let pool = ThreadPool(threads: 1)
  try requireEqualReplicas(layout, parameters, step: 3, pool, communicator)
  let tensor = layout.parameters[layout.parameters.count / 2]
  if communicator.rank == drifted {
    let bits = parameters.base[tensor.offset + 1].bitPattern
    parameters.base[tensor.offset + 1] = Float(bitPattern: bits ^ 1)
  }
  do {
    try requireEqualReplicas(layout, parameters, step: 4, pool, communicator)
  } catch let error as TrainingError {
    let names = error.place.contains("rank \(drifted) on ") && error.place.contains("step 4")
    let othersNamed = (0..<communicator.size).filter { error.place.contains("rank \($0) on ") }
    try require(names, "the drifted rank is not named: \(error)")
    // Of two nobody can say which one is right.
    try require(othersNamed.count == (communicator.size == 2 ? 2 : 1), "\(error)")
    try require(error.found.hasSuffix(tensor.name), "another tensor: \(error)")
    return
  }
  throw CheckFailed(description: "a changed bit on rank \(drifted) was not seen")
}
