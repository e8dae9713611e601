import Glibc
import Manifests

let trainerStateName = "trainer_state.json"
let checkpointFormat = "lockstep-checkpoint"
let checkpointVersion = 1

/// AdamW's running means; the raw values are the prefixes of their tensors' names.
package enum OptimizerMoment: String, Sendable, CaseIterable {
  /// The mean of the gradients.
  case expAvg = "exp_avg"
  /// The mean of their squares.
  case expAvgSq = "exp_avg_sq"

  func tensorName(of parameter: String) -> String { "\(rawValue).\(parameter)" }
}

/// What goes into a checkpoint. Tensors stay in the caller's memory until they are written.
package struct CheckpointContents: Sendable {
  /// In the order of the parameter layout, which is the order of cutting into files.
  package var weights: [TensorView]
  /// Named like their parameters, without a prefix, in the same order.
  package var expAvg: [TensorView]
  package var expAvgSq: [TensorView]
  /// config.json, trainer_state.json, the tokenizer's files and the like.
  package var files: [(name: String, bytes: [UInt8])]
  /// Bytes of tensor data in a file at most; a larger tensor has a file of its own.
  package var maxShardBytes: Int

  package init(
    weights: [TensorView], expAvg: [TensorView] = [], expAvgSq: [TensorView] = [],
    files: [(name: String, bytes: [UInt8])] = [], maxShardBytes: Int = 5_000_000_000
  ) {
    self.weights = weights
    self.expAvg = expAvg
    self.expAvgSq = expAvgSq
    self.files = files
    self.maxShardBytes = maxShardBytes
  }
}

/// What a save has cost.
package struct CheckpointReceipt: Sendable, Equatable {
  package let path: String
  /// In the order of writing, without the manifest.
  package let files: [FileRecord]
  package let seconds: Double

  package var bytes: Int64 { files.reduce(0) { $0 + $1.bytes } }
}

private struct CheckpointManifest: Encodable {
  var format = checkpointFormat
  var version = checkpointVersion
  var files: [FileRecord]
}

/// Writes a checkpoint folder that appears whole at `destination`, or not at all.
///
/// After an error nothing of it is left, unless the file system refuses even to remove it.
/// - Parameters:
///   - destination: `RUN/checkpoint-STEP`; RUN must exist.
///   - replacing: whether a folder that is already there is replaced, or is an error.
///   - progress: called with the bytes of each block once it is written.
package func writeCheckpoint(
  _ contents: CheckpointContents, to destination: String, replacing: Bool = false,
  progress: (Int) -> Void = { _ in }
) throws -> CheckpointReceipt {
  precondition(contents.maxShardBytes > 0, "a file holds at least a byte")
  let clock = ContinuousClock()
  let start = clock.now
  let folder = try SealedFolderWriter(destination: destination, replacing: replacing)
  do {
    try writeWeights(
      contents.weights, maxBytes: contents.maxShardBytes, into: folder, progress)
    try writeOptimizer(contents, into: folder, progress)
    for file in contents.files { try folder.add(file.name, content: file.bytes) }
    try folder.seal(manifest: CheckpointManifest(files: folder.files))
  } catch {
    folder.abandon()
    throw error
  }
  let duration = clock.now - start
  return CheckpointReceipt(
    path: destination, files: folder.files,
    seconds: Double(duration.components.seconds) + 1e-18 * Double(duration.components.attoseconds))
}

/// Writes model.safetensors, or several files and their index.
func writeWeights(
  _ tensors: [any WritableTensor], maxBytes: Int, into folder: SealedFolderWriter,
  _ progress: (Int) throws -> Void
) throws {
  let files = cutIntoFiles(tensors, maxBytes: maxBytes)
  if files.count == 1 {
    return try add(files[0], to: folder, as: weightsFileName, progress)
  }
  var named: [(name: String, tensors: [any WritableTensor])] = []
  for (index, tensors) in files.enumerated() {
    let name = tensorFileName("model", index, of: files.count)
    try add(tensors, to: folder, as: name, progress)
    named.append((name, tensors))
  }
  try folder.add(weightsIndexName, content: weightsIndex(named))
}

/// A parameter's two moments lie side by side, so that each file covers a range of parameters.
private func writeOptimizer(
  _ contents: CheckpointContents, into folder: SealedFolderWriter, _ progress: (Int) -> Void
) throws {
  precondition(
    contents.expAvg.map(\.name) == contents.expAvgSq.map(\.name),
    "both moments are those of the same parameters")
  if contents.expAvg.isEmpty { return }
  let moments = zip(contents.expAvg, contents.expAvgSq).flatMap { mean, square in
    [renamed(mean, .expAvg), renamed(square, .expAvgSq)]
  }
  let files = cutIntoFiles(moments, maxBytes: contents.maxShardBytes)
  for (index, tensors) in files.enumerated() {
    let name = tensorFileName("optimizer", index, of: files.count)
    try add(tensors, to: folder, as: name, progress)
  }
}

private func renamed(_ tensor: TensorView, _ moment: OptimizerMoment) -> TensorView {
  var renamed = tensor
  renamed.name = moment.tensorName(of: tensor.name)
  return renamed
}

private func add(
  _ tensors: [any WritableTensor], to folder: SealedFolderWriter, as name: String,
  _ progress: (Int) throws -> Void
) throws {
  let (hash, bytes) = try writeSafetensors(
    tensors, to: folder.path(of: name), progress: progress)
  try folder.add(name, sha256: hash, bytes: bytes)
}
