import Kernels

/// dropout(LayerNorm(x)): what embeddings and CANINE's projection end with.
///
/// T tokens, H hidden.
final class NormDropout {
  private let parameters: NormParameters
  private let configuration: ModelConfiguration
  private let site: Int
  /// [T, H] What the LayerNorm keeps; may be written before as its input.
  private(set) var normalized = ArenaCursor.nowhere
  /// [T]
  private var inverseDeviation = ArenaCursor.nowhere
  /// [T, H]
  private(set) var output = ArenaCursor.nowhere

  /// - Parameter site: Of the dropout.
  init(_ parameters: NormParameters, _ configuration: ModelConfiguration, site: Int) {
    self.parameters = parameters
    self.configuration = configuration
    self.site = site
  }

  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity) {
    let hidden = capacity.tokens * configuration.hiddenSize
    normalized = cursor.take(hidden)
    inverseDeviation = cursor.take(capacity.tokens)
    output = cursor.take(hidden)
  }

  /// Computes `output` from x [T, H], which may be `normalized`.
  func forward(_ x: Floats, _ pass: Pass, _ p: Floats) -> Floats {
    let (rows, width) = (pass.tokens.count, configuration.hiddenSize)
    LayerNorm.forward(
      output, normalized, inverseDeviation, x, p + parameters.weight, p + parameters.bias,
      epsilon: configuration.layerNormEpsilon, rows: rows, width: width, pass.pool)
    dropout(output, pass)
    return Floats(output)
  }

  /// Turns the gradient of `output` [T, H] into that of `forward`'s x, and overwrites the norm's.
  func backward(_ gradient: MutableFloats, _ pass: Pass, _ p: Floats, _ g: DenseGradients) {
    dropout(gradient, pass)
    LayerNorm.backward(
      gradient, g + parameters.weight, g + parameters.bias, gradient, normalized,
      inverseDeviation, p + parameters.weight, rows: pass.tokens.parts,
      width: configuration.hiddenSize, pass.pool)
  }

  private func dropout(_ x: MutableFloats, _ pass: Pass) {
    Dropout.apply(
      x, x, pass.key(site, configuration.hiddenDropout), pass.tokens.at, rows: pass.tokens.count,
      width: configuration.hiddenSize, pass.pool)
  }
}
