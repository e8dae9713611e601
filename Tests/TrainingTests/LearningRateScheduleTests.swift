import Foundation
import Testing
import Training

@Suite struct LearningRateScheduleTests {
  private func rates(
    _ shape: LearningRateSchedule.Shape, warmupRatio: Double = 0, total: Int
  ) -> [Double] {
    let schedule = LearningRateSchedule(
      shape: shape, peak: 1, warmupRatio: warmupRatio, totalSteps: total)
    return (1...total).map(schedule.rate(atStep:))
  }

  @Test("linear falls from the peak in equal steps and would be 0 after the last")
  func linear() {
    #expect(rates(.linear, total: 4) == [1, 0.75, 0.5, 0.25])
    #expect(
      LearningRateSchedule(shape: .linear, peak: 1, warmupRatio: 0, totalSteps: 4)
        .rate(atStep: 5) == 0)
  }

  @Test("warm-up rises from 0 over its share of the steps, rounded up")
  func warmup() {
    #expect(rates(.linear, warmupRatio: 0.5, total: 4) == [0, 0.5, 1, 0.5])
    #expect(rates(.constant, warmupRatio: 0.3, total: 4) == [0, 0.5, 1, 1])
    let schedule = LearningRateSchedule(
      shape: .linear, peak: 1, warmupRatio: 0.25, totalSteps: 5)
    #expect(schedule.warmupSteps == 2)
  }

  @Test("cosine goes half a turn, polynomial down to 1e-7")
  func curves() {
    let cosine = rates(.cosine, total: 4)
    for (step, rate) in cosine.enumerated() {
      #expect(abs(rate - 0.5 * (1 + cos(.pi * Double(step) / 4))) < 1e-12)
    }
    let polynomial = rates(.polynomial, total: 2)
    #expect(abs(polynomial[1] - (0.5 * (1 - 1e-7) + 1e-7)) < 1e-12)
  }

  @Test("a single step has the peak")
  func singleStep() {
    for shape in LearningRateSchedule.Shape.allCases { #expect(rates(shape, total: 1) == [1]) }
  }
}
