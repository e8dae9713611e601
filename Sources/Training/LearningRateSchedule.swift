import Foundation

/// The learning rate as a function of the global step: Hugging Face's schedules.
package struct LearningRateSchedule: Sendable, Equatable {
  package enum Shape: String, Codable, Sendable, CaseIterable {
    case linear, cosine, constant, polynomial
  }

  package let shape: Shape
  package let peak: Double
  package let warmupSteps: Int
  package let totalSteps: Int

  /// - Parameters:
  ///   - peak: The rate that warm-up leads to.
  ///   - warmupRatio: Share of `totalSteps` that rises linearly from 0, rounded up to a step.
  package init(shape: Shape, peak: Double, warmupRatio: Double, totalSteps: Int) {
    self.shape = shape
    self.peak = peak
    self.totalSteps = totalSteps
    warmupSteps = Int((Double(totalSteps) * warmupRatio).rounded(.up))
  }

  /// The rate of a step's update.
  ///
  /// - Parameter step: From 1; the first step of a linear schedule without warm-up has the peak.
  package func rate(atStep step: Int) -> Double {
    let done = step - 1
    if done < warmupSteps { return peak * Double(done) / Double(max(1, warmupSteps)) }
    let progress = Double(done - warmupSteps) / Double(max(1, totalSteps - warmupSteps))
    switch shape {
    case .constant: return peak
    case .linear: return peak * max(0, 1 - progress)
    case .cosine: return peak * max(0, 0.5 * (1 + cos(.pi * progress)))
    case .polynomial:
      // Hugging Face's defaults: power 1, down to 1e-7.
      let floor = min(1e-7, peak)
      return progress >= 1 ? floor : (peak - floor) * (1 - progress) + floor
    }
  }
}
