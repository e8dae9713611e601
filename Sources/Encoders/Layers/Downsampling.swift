import Kernels

/// Offsets of one of CANINE's convolutions, [H, inputs, K] and [H], and of the LayerNorm after it.
struct ConvolutionParameters: Sendable {
  let convolution: LinearParameters
  let norm: NormParameters

  /// - Parameter kernel: K, characters that it sees.
  init(
    prefix: String, _ model: ModelConfiguration, inputs: Int, kernel: Int,
    _ layout: inout ParameterLayout
  ) {
    convolution = LinearParameters(
      convolution: prefix + "conv", inputs: inputs, outputs: model.hiddenSize, kernel: kernel,
      &layout)
    norm = NormParameters(prefix + "LayerNorm", width: model.hiddenSize, &layout)
  }
}

extension LinearParameters {
  /// A convolution's weight [outputs, inputs, kernel] and bias [outputs].
  init(
    convolution name: String, inputs: Int, outputs: Int, kernel: Int,
    _ layout: inout ParameterLayout
  ) {
    self.init(
      weight: layout.append(name + ".weight", [outputs, inputs, kernel]),
      bias: layout.append(name + ".bias", [outputs]))
  }
}

/// LayerNorm([first character, gelu(convolution of each R characters), but the last one]): Hugging Face's
/// `CharactersToMolecules`.
///
/// Group j of a sequence becomes its molecule j + 1, so all groups of a batch are written one row further
/// down, and the last one of a sequence lies where the next one's first character belongs.
///
/// T characters, M = T / R molecules, S sequences, H hidden.
final class Downsampling {
  private let parameters: ConvolutionParameters
  private let configuration: ModelConfiguration
  private let rate: Int
  /// [H, R, H] each
  private var arranged = ArenaCursor.nowhere
  private var arrangedGradient = ArenaCursor.nowhere
  /// [M+1, H] each; the first row is of no group.
  private var derivative = ArenaCursor.nowhere
  private var normalized = ArenaCursor.nowhere
  private var gradient = ArenaCursor.nowhere
  /// [M]
  private var inverseDeviation = ArenaCursor.nowhere
  /// [S, H]
  private var firstGradient = ArenaCursor.nowhere
  /// [M, H] The first layer's input.
  private(set) var output = ArenaCursor.nowhere

  private var width: Int { configuration.hiddenSize }

  init(_ parameters: ConvolutionParameters, _ configuration: ModelConfiguration, rate: Int) {
    self.parameters = parameters
    self.configuration = configuration
    self.rate = rate
  }

  /// - Parameter capacity: By molecules.
  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity, isTraining: Bool) {
    let shifted = (capacity.tokens + 1) * width
    arranged = cursor.take(width * rate * width)
    derivative = cursor.take(shifted)
    normalized = cursor.take(shifted)
    inverseDeviation = cursor.take(capacity.tokens)
    output = cursor.take(capacity.tokens * width)
    guard isTraining else { return }
    arrangedGradient = cursor.take(width * rate * width)
    gradient = cursor.take(shifted)
    firstGradient = cursor.take(capacity.sequences * width)
  }

  /// Computes `output` from characters [T, H], which must stay as they are until the backward pass.
  func forward(_ characters: Floats, _ rows: TokenRows, _ pass: Pass, _ p: Floats) -> Floats {
    let (count, H, pool) = (rows.count, width, pass.pool)
    Convolution.forward(
      derivative + H, characters, p + parameters.convolution.weight, arranged: arranged,
      rows: count, inputs: H, outputs: H, kernel: rate, pool)
    GELU.forward(
      normalized + H, derivative + H, derivative + H, p + parameters.convolution.bias,
      rows: count, width: H, pool)
    for s in 0..<pass.sequences {
      (normalized + Int(rows.cumulativeLengths[s]) * H).update(
        from: characters + Int(pass.at.firstTokens[s]) * H, count: H)
    }
    LayerNorm.forward(
      output, normalized, inverseDeviation, normalized, p + parameters.norm.weight,
      p + parameters.norm.bias, epsilon: configuration.layerNormEpsilon, rows: count, width: H,
      pool)
    return Floats(output)
  }

  /// Turns scratch A from the gradient of `output` [M, H] into that of the characters [T, H].
  func backward(
    _ characters: Floats, _ rows: TokenRows, _ scratch: Scratch, _ pass: Pass, _ p: Floats,
    _ g: DenseGradients
  ) {
    let (count, H, pool) = (rows.count, width, pass.pool)
    LayerNorm.backward(
      gradient, g + parameters.norm.weight, g + parameters.norm.bias, scratch.a, normalized,
      inverseDeviation, p + parameters.norm.weight, rows: rows.parts, width: H, pool)
    for s in 0..<pass.sequences {
      let first = gradient + Int(rows.cumulativeLengths[s]) * H
      (firstGradient + s * H).update(from: first, count: H)
      first.update(repeating: 0, count: H)
    }
    (gradient + count * H).update(repeating: 0, count: H)
    GELU.backward(
      gradient + H, g + parameters.convolution.bias, gradient + H, derivative + H,
      rows: rows.parts, width: H, pool)
    Convolution.backward(
      scratch.a, g + parameters.convolution.weight, gradient + H, characters, arranged: arranged,
      darranged: arrangedGradient, rows: rows.parts, inputs: H, outputs: H, kernel: rate, pool)
    Gather.accumulate(
      scratch.a, firstGradient, index: pass.at.firstTokens, rows: pass.sequences, width: H)
  }
}
