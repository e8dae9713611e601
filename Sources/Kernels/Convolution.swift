// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// A convolution along a row (torch.nn.Conv1d) as a linear layer on windows: the K positions that an
/// output sees lie side by side.
///
/// Where the stride is K, windows do not overlap, and the positions [T·K,I] are their windows already.
///
/// T windows, K kernel size, I inputs, O outputs.
package enum Convolution {
  /// y [T,O] = windows [T,K,I] times w [O,I,K], without a bias; y is overwritten.
  ///
  /// - Parameter arranged: [O,K,I] Overwritten with the weights as windows lie, kept for `backward`.
  package static func forward(
    _ y: MutableFloats, _ windows: Floats, _ w: Floats, arranged: MutableFloats, rows T: Int,
    inputs I: Int, outputs O: Int, kernel K: Int, _ pool: ThreadPool
  ) {
    eachOutput(inputs: I, outputs: O, kernel: K, pool) { torch, own in arranged[own] = w[torch] }
    Linear.forward(y, windows, arranged, nil, rows: T, inputs: K * I, outputs: O, pool)
  }

  /// The gradients of `forward`, from dy [T,O]: dwindows [T,K,I] and dw [O,I,K], summed over the parts in
  /// their tree; both are overwritten.
  ///
  /// - Parameters:
  ///   - arranged: What `forward` left there.
  ///   - darranged: [O,K,I] Scratch.
  package static func backward(
    _ dwindows: MutableFloats, _ dw: MutableFloats, _ dy: Floats, _ windows: Floats,
    arranged: Floats, darranged: MutableFloats, rows parts: Parts, inputs I: Int, outputs O: Int,
    kernel K: Int, _ pool: ThreadPool
  ) {
    Linear.backward(
      dwindows, darranged, nil, dy, windows, arranged, rows: parts, inputs: K * I, outputs: O, pool)
    eachOutput(inputs: I, outputs: O, kernel: K, pool) { torch, own in dw[torch] = darranged[own] }
  }

  /// Calls `body` with the two places of every weight, in [O,I,K] and in [O,K,I].
  private static func eachOutput(
    inputs I: Int, outputs O: Int, kernel K: Int, _ pool: ThreadPool,
    _ body: (_ torch: Int, _ own: Int) -> Void
  ) {
    pool.run(O) { o, _ in
      for k in 0..<K {
        for i in 0..<I { body((o &* I &+ i) &* K &+ k, (o &* K &+ k) &* I &+ i) }
      }
    }
  }
}
