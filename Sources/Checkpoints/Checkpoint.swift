import Manifests

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A checkpoint that can be resumed: weights, optimizer state and trainer state.
///
/// Opening checks the structure; ``verify(progress:)`` recomputes every hash.
package struct Checkpoint {
  package let path: String
  package let model: ModelFolder

  private let optimizer: ModelFolder

  /// - Throws: ``CheckpointError`` when a part is missing or malformed.
  package init(path: String) throws {
    let path = withoutTrailingSlash(path)
    self.path = path
    model = try ModelFolder(path: path)
    guard exists("\(path)/\(trainerStateName)") else {
      throw CheckpointError(
        place: "\(path)/\(trainerStateName)", expected: "the state of a training run",
        found: "no such file", remedy: "name a RUN/checkpoint-STEP folder that lockstep wrote")
    }
    let files = try Self.optimizerFiles(in: path)
    optimizer = try ModelFolder(path: path, files: files.map { try SafetensorsFile(path: $0) })
  }

  /// The paths of optimizer-00001-of-000NN.safetensors and on; all NN must be there.
  private static func optimizerFiles(in path: String) throws -> [String] {
    let names = try entries(ofFolder: path).map(\.name).filter {
      $0.hasPrefix("optimizer-") && $0.hasSuffix(".safetensors")
    }
    let count = max(1, names.count)
    return try (0..<count).map { index in
      let name = tensorFileName("optimizer", index, of: count)
      guard names.contains(name) else {
        throw CheckpointError(
          place: "\(path)/\(name)", expected: "optimizer state in \(count) files",
          found: "no such file", remedy: "use another checkpoint, or start from the weights alone")
      }
      return try containedFile(name, in: path)
    }
  }

  /// Reads a moment of a parameter.
  /// - Parameters:
  ///   - parameter: the name of the parameter, without prefix.
  ///   - shape: must be the stored shape.
  ///   - destination: overwritten with the product of `shape` elements.
  package func readOptimizer(
    _ moment: OptimizerMoment, of parameter: String, shape: [Int],
    into destination: UnsafeMutablePointer<Float>
  ) throws {
    let name = moment.tensorName(of: parameter)
    guard optimizer.contains(name) else {
      throw CheckpointError(
        place: "\(path): optimizer state", expected: "a tensor \(quoted(name))", found: "none",
        remedy: "resume with the model that the checkpoint was written with")
    }
    try optimizer.read(name, shape: shape, into: destination)
  }

  /// trainer_state.json as it was written.
  package func trainerState() throws -> Data {
    let statePath = try containedFile(trainerStateName, in: path)
    return Data(try contents(ofFile: statePath, limit: 64 << 20))
  }

  /// Recomputes every hash of the manifest.
  /// - Throws: the first failure, with file, expected and found.
  package func verify(progress: (Int) throws -> Void = { _ in }) throws {
    let verification = try verifySealedFolder(path, progress: progress)
    if let failure = verification.failures.first { throw failure }
    guard verification.format == checkpointFormat else {
      throw CheckpointError(
        place: "\(path)/\(manifestName)", expected: "format \(quoted(checkpointFormat))",
        found: verification.format.map(quoted) ?? "none",
        remedy: "name a checkpoint that lockstep wrote")
    }
  }
}
