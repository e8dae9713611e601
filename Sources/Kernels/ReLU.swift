/// The rectifier, elementwise: the activation of DistilBERT's head.
package enum ReLU {
  /// y [count] = max(x [count], 0); y may alias x.
  package static func forward(_ y: MutableFloats, _ x: Floats, count: Int) {
    eachVector(count) { i, lanes in
      let x = load(x, i, lanes)
      store(x.replacing(with: 0, where: x .< 0), y, i, lanes)
    }
  }

  /// dx [count] = dy [count] where y > 0, from the result y of `forward`; else 0. dx may alias dy or y.
  package static func backward(_ dx: MutableFloats, _ dy: Floats, _ y: Floats, count: Int) {
    eachVector(count) { i, lanes in
      store(load(dy, i, lanes).replacing(with: 0, where: load(y, i, lanes) .<= 0), dx, i, lanes)
    }
  }
}
