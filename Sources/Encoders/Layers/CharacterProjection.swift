import Kernels

/// dropout(LayerNorm(gelu(convolution of characters beside their molecules))): Hugging Face's
/// `ConvProjection`.
///
/// T characters, M molecules, K window, H hidden.
final class CharacterProjection {
  private let parameters: ConvolutionParameters
  private let configuration: ModelConfiguration
  private let canine: CanineSettings
  private let end: NormDropout
  /// [H, K, 2H] each
  private var arranged = ArenaCursor.nowhere
  private var arrangedGradient = ArenaCursor.nowhere
  /// [T, K, 2H] each
  private var windows = ArenaCursor.nowhere
  private var windowGradient = ArenaCursor.nowhere
  /// [T, H]
  private var derivative = ArenaCursor.nowhere
  /// [T, H] At the characters, since `backward`.
  private(set) var characterGradient = ArenaCursor.nowhere

  /// [T, H] The last layer's input.
  var output: MutableFloats { end.output }

  private var width: Int { configuration.hiddenSize }

  /// - Parameter site: Of the dropout.
  init(
    _ parameters: ConvolutionParameters, _ configuration: ModelConfiguration,
    _ canine: CanineSettings, site: Int
  ) {
    self.parameters = parameters
    self.configuration = configuration
    self.canine = canine
    end = NormDropout(parameters.norm, configuration, site: site)
  }

  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity, isTraining: Bool) {
    let (hidden, pairs) = (capacity.tokens * width, 2 * canine.upsamplingKernel * width)
    arranged = cursor.take(width * pairs)
    windows = cursor.take(capacity.tokens * pairs)
    derivative = cursor.take(hidden)
    end.take(&cursor, capacity)
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
      end.normalized, derivative, derivative, p + parameters.convolution.bias, rows: count,
      width: H,
      pool)
    return end.forward(Floats(end.normalized), pass, p)
  }

  /// Turns scratch A from the gradient of `output` [T, H] into that of the molecules [M, H].
  func backward(_ scratch: Scratch, _ pass: Pass, _ p: Floats, _ g: DenseGradients) {
    let (parts, H, pool) = (pass.tokens.parts, width, pass.pool)
    let a = scratch.a
    end.backward(a, pass, p, g)
    GELU.backward(
      a, g + parameters.convolution.bias, a, derivative, rows: parts, width: H, pool)
    Convolution.backward(
      windowGradient, g + parameters.convolution.weight, a, windows, arranged: arranged,
      darranged: arrangedGradient, rows: parts, inputs: 2 * H, outputs: H,
      kernel: canine.upsamplingKernel, pool)
    upsampling(pass).backward(characterGradient, a, windowGradient, pool)
  }
}
