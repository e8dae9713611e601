import Testing

@testable import Training

@Suite struct ProgressBarTests {
  /// A terminal that remembers, and a clock that is set by hand.
  final class Terminal {
    var columns: Int? = 80
    var written = ""
    var time = Duration.zero

    var screen: ProgressBar.Screen {
      ProgressBar.Screen(
        columns: { self.columns }, write: { self.written += $0 }, now: { self.time })
    }

    /// What was written since the last call.
    func take() -> String {
      defer { written = "" }
      return written
    }
  }

  private let terminal = Terminal()

  private func bar(total: Int, startingAt start: Int = 0) -> ProgressBar {
    ProgressBar(
      label: "train", total: total, unit: "steps", startingAt: start, on: terminal.screen)
  }

  @Test("The line has share, rate, time left and a note")
  func line() {
    var bar = bar(total: 100)
    terminal.time = .seconds(5)
    bar.update(25, note: "loss 0.4")
    #expect(
      terminal.take()
        == "\r\u{1b}[K"
        + "train [======>                 ] 25/100 steps, 5.0 steps/s, 0:15 left, loss 0.4")
  }

  @Test("Steps done before do not count for the rate")
  func resumed() {
    var bar = bar(total: 100, startingAt: 50)
    terminal.time = .seconds(10)
    bar.update(55)
    #expect(terminal.take().hasSuffix("55/100 steps, 0.50 steps/s, 1:30 left"))
  }

  @Test("It is drawn ten times a second at most, and not at once")
  func throttled() {
    var bar = bar(total: 1000)
    for step in 1...1000 {
      terminal.time = .milliseconds(step)
      bar.update(step)
    }
    #expect(terminal.take().split(separator: "\r").count == 10)
    var quick = self.bar(total: 5)
    terminal.time += .milliseconds(50)
    quick.update(5)
    quick.clear()
    quick.finish()
    #expect(terminal.take() == "")
  }

  @Test("It ends as a full line, or without a trace")
  func ends() {
    var bar = bar(total: 10)
    terminal.time = .seconds(1)
    bar.update(9)
    terminal.time = .seconds(1.01)
    bar.update(10)
    _ = terminal.take()
    bar.finish()
    let last = terminal.take()
    #expect(last.contains("[========================================] 10/10 steps"))
    #expect(!last.contains("left"))
    #expect(last.hasSuffix("\n"))
    terminal.time = .seconds(2)
    bar.update(10)
    _ = terminal.take()
    bar.clear()
    #expect(terminal.take() == "\r\u{1b}[K")
  }

  @Test("It fits every terminal, and nothing is written where there is none")
  func widths() {
    for columns in [1, 2, 10, 40, 60, 200] {
      terminal.columns = columns
      var bar = bar(total: 10)
      terminal.time += .seconds(1)
      bar.update(5, note: "loss 0.4")
      #expect(terminal.take().dropFirst(4).count < columns)
    }
    terminal.columns = nil
    var bar = bar(total: 10)
    terminal.time += .seconds(1)
    bar.update(5)
    bar.finish()
    #expect(terminal.take() == "")
  }

  @Test("A total of nothing does not divide by it")
  func emptyTotal() {
    var bar = bar(total: 0)
    terminal.time = .seconds(1)
    bar.update(0)
    #expect(terminal.take().hasSuffix("0/0 steps, 0.00 steps/s"))
  }
}
