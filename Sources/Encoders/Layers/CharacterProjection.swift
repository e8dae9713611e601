import Kernels

/// Offsets of the convolution from molecules and characters back to characters, [H, 2H, K] and [H], and of
/// its LayerNorm.
struct CharacterProjectionParameters: Sendable {
  let convolution: LinearParameters
  let norm: NormParameters

  init(
    prefix: String, _ model: ModelConfiguration, _ canine: CanineSettings,
    _ layout: inout ParameterLayout
  ) {
    let hidden = model.hiddenSize
    convolution = LinearParameters(
      convolution: prefix + "conv", inputs: 2 * hidden, outputs: hidden,
      kernel: canine.upsamplingKernel, &layout)
    norm = NormParameters(prefix + "LayerNorm", width: hidden, &layout)
  }
}

/// dropout(LayerNorm(gelu(convolution of characters beside their molecules))): Hugging Face's
/// `ConvProjection`.
///
/// T characters, M molecules, K window, H hidden.
final class CharacterProjection {
  private let parameters: CharacterProjectionParameters
  private let configuration: ModelConfiguration
  private let canine: CanineSettings
  private let site: Int
  /// [H, K, 2H] each
  private var arranged = ArenaCursor.nowhere
  private var arrangedGradient = ArenaCursor.nowhere
  /// [T, K, 2H] each
  private var windows = ArenaCursor.nowhere
  private var windowGradient = ArenaCursor.nowhere
  /// [T, H] each
  private var derivative = ArenaCursor.nowhere
  private var normalized = ArenaCursor.nowhere
  /// [T]
  private var inverseDeviation = ArenaCursor.nowhere
  /// [T, H] The last layer's input.
  private(set) var output = ArenaCursor.nowhere
  /// [T, H] At the characters, since `backward`.
  private(set) var characterGradient = ArenaCursor.nowhere

  private var width: Int { configuration.hiddenSize }

  /// - Parameter site: Of the dropout.
  init(
    _ parameters: CharacterProjectionParameters, _ configuration: ModelConfiguration,
    _ canine: CanineSettings, site: Int
  ) {
    self.parameters = parameters
    self.configuration = configuration
    self.canine = canine
    self.site = site
  }

  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity, isTraining: Bool) {
    let (hidden, pairs) = (capacity.tokens * width, 2 * canine.upsamplingKernel * width)
    arranged = cursor.take(width * pairs)
    windows = cursor.take(capacity.tokens * pairs)
    derivative = cursor.take(hidden)
    normalized = cursor.take(hidden)
    inverseDeviation = cursor.take(capacity.tokens)
    output = cursor.take(hidden)
    guard isTraining else { return }
    arrangedGradient = cursor.take(width * pairs)
    windowGradient = cursor.take(capacity.tokens * pairs)
    characterGradient = cursor.take(hidden)
  }

  private func upsampling(_ pass: Pass) -> Upsampling {
    Upsampling(
      cumulativeLengths: pass.tokens.cumulativeLengths, rate: canine.downsamplingRate,
      window: canine.upsamplingKernel, width: width)
  }

  /// Computes `output` from characters [T, H] and molecules [M, H].
  func forward(_ characters: Floats, _ molecules: Floats, _ pass: Pass, _ p: Floats) -> Floats {
    let (count, H, pool) = (pass.tokens.count, width, pass.pool)
    upsampling(pass).forward(windows, characters, molecules, pool)
    Convolution.forward(
      derivative, windows, p + parameters.convolution.weight, arranged: arranged, rows: count,
      inputs: 2 * H, outputs: H, kernel: canine.upsamplingKernel, pool)
    GELU.forward(
      normalized, derivative, derivative, p + parameters.convolution.bias, rows: count, width: H,
      pool)
    LayerNorm.forward(
      output, normalized, inverseDeviation, normalized, p + parameters.norm.weight,
      p + parameters.norm.bias, epsilon: configuration.layerNormEpsilon, rows: count, width: H,
      pool)
    Dropout.apply(
      output, output, pass.key(site, configuration.hiddenDropout), pass.tokens.at, rows: count,
      width: H, pool)
    return Floats(output)
  }

  /// Turns scratch A from the gradient of `output` [T, H] into that of the molecules [M, H].
  func backward(_ scratch: Scratch, _ pass: Pass, _ p: Floats, _ g: DenseGradients) {
    let (parts, H, pool) = (pass.tokens.parts, width, pass.pool)
    let a = scratch.a
    Dropout.apply(
      a, a, pass.key(site, configuration.hiddenDropout), pass.tokens.at, rows: parts.rows,
      width: H, pool)
    LayerNorm.backward(
      a, g + parameters.norm.weight, g + parameters.norm.bias, a, normalized, inverseDeviation,
      p + parameters.norm.weight, rows: parts, width: H, pool)
    GELU.backward(
      a, g + parameters.convolution.bias, a, derivative, rows: parts, width: H, pool)
    Convolution.backward(
      windowGradient, g + parameters.convolution.weight, a, windows, arranged: arranged,
      darranged: arrangedGradient, rows: parts, inputs: 2 * H, outputs: H,
      kernel: canine.upsamplingKernel, pool)
    upsampling(pass).backward(characterGradient, a, windowGradient, pool)
  }
}
