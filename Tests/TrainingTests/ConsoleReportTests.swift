import Foundation
import Testing

@testable import Training

@Suite struct ConsoleReportTests {
  private let terminal = ProgressBarTests.Terminal()

  private func record(_ step: Int) -> StepRecord {
    StepRecord(
      step: step, epoch: Double(step) / 100, loss: 0.41234, learningRate: 1.5e-5,
      gradientNorm: 2, rowsByRank: [4, 4], tokensByRank: [50, 50])
  }

  /// Steps of a second and 100 tokens each.
  private func train(_ report: ConsoleReport, steps: ClosedRange<Int>, of total: Int) {
    var speed = RecentSpeed()
    for step in steps {
      terminal.time += .seconds(1)
      speed.add(tokens: 100, seconds: 1)
      report.step(record(step), of: total, speed)
    }
  }

  @Test("a log gets a line every ten seconds: step, loss, rate, tokens a second, time left")
  func log() {
    terminal.columns = nil
    train(ConsoleReport(isSilent: false, on: terminal.screen), steps: 1...35, of: 200)
    let lines = terminal.take().split(separator: "\n")
    #expect(lines.count == 3)
    #expect(
      lines.first
        == "step 10/200  epoch 0.10  loss 0.4123  lr 1.50e-05  100 tokens/s  3:10 left")
    #expect(lines.last?.hasPrefix("step 30/200") == true)
  }

  @Test("a terminal gets one line that is drawn again, with the same facts")
  func terminalLine() {
    train(ConsoleReport(isSilent: false, on: terminal.screen), steps: 1...3, of: 200)
    let drawn = terminal.take()
    #expect(!drawn.contains("\n"))
    let last = drawn.components(separatedBy: "\r\u{1b}[K").last ?? ""
    #expect(last.hasPrefix("train [>"))
    #expect(last.hasSuffix("] 3/200 steps, 100 tokens/s, 3:17 left, loss 0.4123"))
  }

  @Test("a rank that is not the first says nothing")
  func oneVoice() {
    for columns in [nil, 80] {
      terminal.columns = columns
      let report = ConsoleReport(isSilent: true, on: terminal.screen)
      train(report, steps: 1...35, of: 200)
      report.warn("nothing")
    }
    #expect(terminal.take() == "")
  }

  @Test("the rate is that of recent steps: a slow start is soon forgotten")
  func recentSpeed() {
    var speed = RecentSpeed()
    speed.add(tokens: 100, seconds: 60)
    #expect(abs(speed.tokensPerSecond - 100 / 60.0) < 1e-9)
    for _ in 1...100 { speed.add(tokens: 100, seconds: 1) }
    #expect(abs(speed.tokensPerSecond - 100) < 0.5)
    #expect(abs(speed.stepsPerSecond - 1) < 0.005)
  }
}
