import Checkpoints
import Encoders
import Kernels

/// Reads a model folder's weights into an arena.
///
/// Names are Hugging Face's. Folders of a bare encoder lack the architecture's prefix (`bert.`), and
/// converted old ones call a norm's weight and bias gamma and beta; both are understood. The head may
/// be missing, because pretraining has another: it is initialised from the seed, weights from
/// normal(0, initializer_range), biases 0, norm weights 1.
///
/// - Parameters:
///   - arena: `model.layout.count` floats, all overwritten.
///   - seed: nil refuses a folder without a classifier.
///   - progress: Called after every tensor.
/// - Returns: Names of the tensors that were initialised.
/// - Throws: An error naming file and tensor.
package func loadParameters(
  of model: EncoderModel, from folder: ModelFolder, into arena: MutableFloats,
  initialisingWith seed: UInt64?, progress: () -> Void = {}
) throws -> [String] {
  try requireTensors(of: model, in: folder, allowingNewHead: seed != nil)
  var initialised: [String] = []
  for parameter in model.layout.parameters {
    let destination = arena + parameter.offset
    if let name = candidates(for: parameter.name, model).first(where: {
      folder.shape(of: $0) != nil
    }) {
      try folder.read(name, shape: parameter.shape, into: destination)
    } else if let seed {
      initialize(parameter, of: model, at: destination, seed: seed)
      initialised.append(parameter.name)
    }
    progress()
  }
  return initialised
}

/// Fills an arena [layout.count] as a model begins that nobody has trained: a pure function of the seed.
///
/// - Parameter progress: Called now and then, by this thread.
package func initializeParameters(
  of model: EncoderModel, in arena: MutableFloats, seed: UInt64, _ pool: ThreadPool,
  progress: () -> Void = {}
) {
  let all = model.layout.parameters
  pool.run(all.count) { index, _ in
    initialize(all[index], of: model, at: arena + all[index].offset, seed: seed)
  }
  progress()
}

/// Weights from normal(0, initializer_range), biases 0, norm weights 1, as BERT begins.
private func initialize(
  _ parameter: Parameter, of model: EncoderModel, at values: MutableFloats, seed: UInt64
) {
  if parameter.shape.count == 1 {
    let isNorm = parameter.name.hasSuffix("LayerNorm.weight")
    values.update(repeating: isNorm ? 1 : 0, count: parameter.count)
  } else {
    Philox4x32.normal(
      into: values, count: parameter.count, seed: seed, name: parameter.name,
      standardDeviation: model.configuration.initializerRange)
  }
}

/// Checks a folder's tensors against the model's shapes before memory is taken for them.
///
/// - Throws: `TrainingError` naming folder and tensor.
package func requireTensors(
  of model: EncoderModel, in folder: ModelFolder, allowingNewHead: Bool
) throws {
  for parameter in model.layout.parameters {
    let name = candidates(for: parameter.name, model).first { folder.contains($0) }
    let found = name.flatMap { folder.shape(of: $0) }
    if found == parameter.shape || (found == nil && allowingNewHead && parameter.place == .head) {
      continue
    }
    let place = name.flatMap { folder.file(of: $0) } ?? folder.path
    throw TrainingError(
      .data, "\(place): tensor \(name ?? parameter.name)",
      expected: "float32 of shape \(parameter.shape)",
      found: found.map { "shape \($0)" } ?? "no such tensor",
      remedy: found == nil && parameter.place == .head
        ? "use a fine-tuned checkpoint" : "check that config.json belongs to these weights")
  }
}

private func candidates(for name: String, _ model: EncoderModel) -> [String] {
  let prefix = model.configuration.encoderPrefix
  let old = name.replacing("LayerNorm.weight", with: "LayerNorm.gamma")
    .replacing("LayerNorm.bias", with: "LayerNorm.beta")
  return [name, old].flatMap { name in
    name.hasPrefix(prefix) ? [name, String(name.dropFirst(prefix.count))] : [name]
  }
}

/// The arena's tensors in checkpoint order.
package func tensors(of layout: ParameterLayout, in arena: Arena) -> [TensorView] {
  layout.parameters.map {
    TensorView(name: $0.name, shape: $0.shape, base: arena.base + $0.offset)
  }
}
