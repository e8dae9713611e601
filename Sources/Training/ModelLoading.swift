import Checkpoints
import Encoders
import Kernels

/// Reads a model folder's weights into an arena.
///
/// Names are Hugging Face's. Folders of a bare encoder lack the `bert.` prefix, and converted old
/// ones call a norm's weight and bias gamma and beta; both are understood. The pooler and the
/// classifier may be missing, because pretraining has neither: they are initialised from the seed,
/// weights from normal(0, initializer_range) and biases 0.
///
/// - Parameters:
///   - arena: `model.layout.count` floats, all overwritten.
///   - seed: nil refuses a folder without a classifier.
///   - progress: Called after every tensor.
/// - Returns: Names of the tensors that were initialised.
/// - Throws: An error naming file and tensor.
package func loadParameters(
  of model: SequenceClassifier, from folder: ModelFolder, into arena: MutableFloats,
  initialisingWith seed: UInt64?, progress: () -> Void = {}
) throws -> [String] {
  try requireTensors(of: model, in: folder, allowingNewHead: seed != nil)
  var initialised: [String] = []
  for parameter in model.layout.parameters {
    let destination = arena + parameter.offset
    if let name = candidates(for: parameter.name).first(where: { folder.shape(of: $0) != nil }) {
      try folder.read(name, shape: parameter.shape, into: destination)
    } else if let seed {
      if parameter.shape.count == 1 {
        destination.update(repeating: 0, count: parameter.count)
      } else {
        Philox4x32.normal(
          into: destination, count: parameter.count, seed: seed, name: parameter.name,
          standardDeviation: model.configuration.initializerRange)
      }
      initialised.append(parameter.name)
    }
    progress()
  }
  return initialised
}

/// Checks a folder's tensors against the model's shapes before memory is taken for them.
///
/// - Throws: `TrainingError` naming folder and tensor.
package func requireTensors(
  of model: SequenceClassifier, in folder: ModelFolder, allowingNewHead: Bool
) throws {
  for parameter in model.layout.parameters {
    let name = candidates(for: parameter.name).first { folder.contains($0) }
    let found = name.flatMap { folder.shape(of: $0) }
    if found == parameter.shape || (found == nil && allowingNewHead && isHead(parameter.name)) {
      continue
    }
    let place = name.flatMap { folder.file(of: $0) } ?? folder.path
    throw TrainingError(
      .data, "\(place): tensor \(name ?? parameter.name)",
      expected: "float32 of shape \(parameter.shape)",
      found: found.map { "shape \($0)" } ?? "no such tensor",
      remedy: found == nil && isHead(parameter.name)
        ? "use a fine-tuned checkpoint" : "check that config.json belongs to these weights")
  }
}

private func isHead(_ name: String) -> Bool {
  name.hasPrefix("classifier.") || name.hasPrefix("bert.pooler.")
}

private func candidates(for name: String) -> [String] {
  let old = name.replacing("LayerNorm.weight", with: "LayerNorm.gamma")
    .replacing("LayerNorm.bias", with: "LayerNorm.beta")
  return [name, old].flatMap { name in
    name.hasPrefix("bert.") ? [name, String(name.dropFirst("bert.".count))] : [name]
  }
}

/// The arena's tensors in checkpoint order.
package func tensors(of layout: ParameterLayout, in arena: Arena) -> [TensorView] {
  layout.parameters.map {
    TensorView(name: $0.name, shape: $0.shape, base: arena.base + $0.offset)
  }
}
