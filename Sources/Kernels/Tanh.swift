/// The hyperbolic tangent, elementwise: the pooler's activation.
package enum Tanh {
  /// y [count] = tanh(x [count]); y may alias x.
  package static func forward(_ y: MutableFloats, _ x: Floats, count: Int) {
    eachVector(count) { i, lanes in store(VectorMath.tanh(load(x, i, lanes)), y, i, lanes) }
  }

  /// dx [count] = dy [count] * (1 - y²), from the result y of `forward`; dx may alias dy or y.
  package static func backward(_ dx: MutableFloats, _ dy: Floats, _ y: Floats, count: Int) {
    eachVector(count) { i, lanes in
      let y = load(y, i, lanes)
      let slope = Vector(repeating: 1).adding(-y, times: y)
      store(load(dy, i, lanes) * slope, dx, i, lanes)
    }
  }
}
