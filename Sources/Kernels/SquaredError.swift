/// The loss of regression (torch.nn.MSELoss, here with reduction by sum), in double precision.
package enum SquaredError {
  /// Returns the sum over `count` predictions of (p - y)², and overwrites
  /// dpredictions [count] = 2 (p - y) * scale unless nil. dpredictions may alias predictions.
  ///
  /// - Parameters:
  ///   - predictions, targets: [count]; one a sequence in Hugging Face's models of one label.
  package static func forwardBackward(
    _ dpredictions: MutableFloats?, _ predictions: Floats, _ targets: Floats, count: Int,
    scale: Float
  ) -> Double {
    var sum = 0.0
    for i in 0..<count {
      let error = Double(predictions[i]) - Double(targets[i])
      sum += error * error
      if let dpredictions { dpredictions[i] = Float(2 * error * Double(scale)) }
    }
    return sum
  }
}
