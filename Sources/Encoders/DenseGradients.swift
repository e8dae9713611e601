import Kernels

/// Gradients of all parameters but the word table, found by the parameters' offsets in the other
/// arenas.
struct DenseGradients {
  /// [layout.dense.count]
  private let base: MutableFloats
  private let start: Int

  init(_ base: MutableFloats, _ layout: ParameterLayout) {
    self.base = base
    start = layout.dense.lowerBound
  }

  /// - Precondition: `offset` is in `layout.dense`.
  static func + (gradients: DenseGradients, offset: Int) -> MutableFloats {
    gradients.base + (offset - gradients.start)
  }
}
