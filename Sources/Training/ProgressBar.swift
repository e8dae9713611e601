import Foundation

/// A line on standard error that tells how far something is: share, rate, time left.
///
///     train [=======>            ] 312/855 steps, 3.9 steps/s, 2:19 left, loss 0.4213
///
/// It is drawn on a terminal only, ten times a second at most, and not before a tenth of a second
/// has gone: what is done sooner leaves no trace.
package struct ProgressBar {
  /// Where a bar is drawn, and by which clock.
  struct Screen {
    /// Columns of the terminal; nil where there is none, and nothing is drawn.
    var columns: () -> Int?
    var write: (String) -> Void
    /// Time since any fixed moment.
    var now: () -> Duration
  }

  private let label: String
  private let total: Int
  private let unit: String
  private let start: Int
  private let screen: Screen
  private let began: Duration
  private var lastDrawn: Duration
  private var done: Int
  private var speed: Speed?
  private var note = ""
  private var isDrawn = false

  private static let interval = Duration.milliseconds(100)

  /// - Parameters:
  ///   - total: how many units there are.
  ///   - unit: their name, in the plural.
  ///   - start: how many were done before; they do not count for the rate.
  package init(label: String, total: Int, unit: String, startingAt start: Int = 0) {
    self.init(label: label, total: total, unit: unit, startingAt: start, on: .standardError)
  }

  init(label: String, total: Int, unit: String, startingAt start: Int = 0, on screen: Screen) {
    self.label = label
    self.total = total
    self.unit = unit
    self.start = start
    self.screen = screen
    done = start
    began = screen.now()
    lastDrawn = began
  }

  /// How fast units are done now.
  package struct Speed {
    package let perSecond: Double
    /// What is shown of it.
    package let text: String

    package init(perSecond: Double, text: String) {
      self.perSecond = perSecond
      self.text = text
    }
  }

  /// Tells how many units are done, and what else is worth knowing.
  ///
  /// - Parameter speed: nil for the mean since the bar's beginning.
  package mutating func update(_ done: Int, speed: Speed? = nil, note: String = "") {
    self.done = done
    self.speed = speed
    self.note = note
    let now = screen.now()
    guard now - lastDrawn >= Self.interval else { return }
    lastDrawn = now
    draw(now)
  }

  /// Draws the last state and leaves it as a line.
  package mutating func finish() {
    guard isDrawn else { return }
    draw(screen.now())
    screen.write("\n")
    isDrawn = false
  }

  /// Takes the line away.
  package mutating func clear() {
    guard isDrawn else { return }
    screen.write("\r\u{1b}[K")
    isDrawn = false
  }

  private mutating func draw(_ now: Duration) {
    guard let columns = screen.columns() else { return }
    // The last column stays empty: a full line would wrap on some terminals.
    screen.write("\r\u{1b}[K" + line(columns: columns - 1, elapsed: (now - began).seconds))
    isDrawn = true
  }

  private func line(columns: Int, elapsed: Double) -> String {
    let rate = speed?.perSecond ?? Double(done - start) / max(elapsed, 1e-9)
    var facts = ["\(done)/\(total) \(unit)", speed?.text ?? "\(Self.number(rate)) \(unit)/s"]
    if rate > 0, done < total {
      facts.append("\(clock(.seconds(Double(total - done) / rate))) left")
    }
    if !note.isEmpty { facts.append(note) }
    let text = facts.joined(separator: ", ")
    let width = min(40, columns - label.count - text.count - 4)
    let bar = width < 8 ? "" : "[\(meter(width))] "
    return String("\(label) \(bar)\(text)".prefix(max(0, columns)))
  }

  private func meter(_ width: Int) -> String {
    let share = min(1, max(0, Double(done) / Double(max(1, total))))
    let filled = Int(share * Double(width))
    guard filled < width else { return String(repeating: "=", count: width) }
    return String(repeating: "=", count: filled) + ">"
      + String(repeating: " ", count: width - filled - 1)
  }

  private static func number(_ rate: Double) -> String {
    String(format: rate >= 100 ? "%.0f" : rate >= 1 ? "%.1f" : "%.2f", rate)
  }
}

extension ProgressBar.Screen {
  static var standardError: Self {
    let began = ContinuousClock.now
    return Self(
      columns: {
        guard isatty(STDERR_FILENO) == 1, getenv("TERM").map({ String(cString: $0) }) != "dumb"
        else { return nil }
        var size = winsize()
        let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return isKnown ? Int(size.ws_col) : 80
      },
      write: { FileHandle.standardError.write(Data($0.utf8)) },
      now: { ContinuousClock.now - began })
  }
}
