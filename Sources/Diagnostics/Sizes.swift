import Foundation

/// What a model needs, as far as a machine may lack it. In bytes.
package struct Needs: Sendable, Equatable, Encodable {
  /// Of all gradients.
  package var gradient: Int
  /// Of a rank in training.
  package var training: Int
  /// Of a checkpoint, with its optimizer.
  package var checkpoint: Int

  package init(gradient: Int, training: Int, checkpoint: Int) {
    self.gradient = gradient
    self.training = training
    self.checkpoint = checkpoint
  }
}

/// 800 kB, 91 MB, 1.3 GB: powers of ten.
func size(_ bytes: Int) -> String {
  let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")]
  for (scale, unit) in units where bytes >= scale {
    let value = Double(bytes) / Double(scale)
    return decimal(value, value < 10 ? 1 : 0) + " " + unit
  }
  return "\(bytes) bytes"
}

func decimal(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

/// `1 core`, `2 cores`.
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

/// Middle of the values, the lower of two; nil of none.
func median(_ values: [Double]) -> Double? {
  values.isEmpty ? nil : values.sorted()[(values.count - 1) / 2]
}
