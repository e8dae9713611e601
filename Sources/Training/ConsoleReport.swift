import Foundation

/// What a person sees of a run on standard error: the table of evaluations, and between its rows a
/// progress bar on a terminal or a plain line now and then in a log.
package final class ConsoleReport {
  private let isSilent: Bool
  private var bar: ProgressBar?
  private var lastLine = ContinuousClock.now
  private var hasHeading = false
  private static let columns = ["Epoch", "Step", "Training Loss", "Validation Loss"]

  /// Time between plain lines where standard error is not a terminal.
  private static let lineInterval = Duration.seconds(10)

  /// - Parameter isSilent: On every rank but 0.
  package init(isSilent: Bool) { self.isSilent = isSilent }

  /// A line of its own.
  package func say(_ text: String) {
    guard !isSilent else { return }
    clearBar()
    FileHandle.standardError.write(Data((text + "\n").utf8))
  }

  package func warn(_ text: String) { say("warning: " + text) }

  /// - Parameters:
  ///   - resumedSteps: Steps that an earlier job did.
  ///   - elapsed: Since this job's first step.
  package func step(_ record: StepRecord, of total: Int, resumedSteps: Int, elapsed: Duration) {
    guard !isSilent else { return }
    let note = String(format: "loss %.4f", record.loss)
    if ProgressBar.isAvailable {
      if bar == nil {
        bar = ProgressBar(label: "train", total: total, unit: "steps", startingAt: record.step - 1)
      }
      bar?.update(record.step, note: note)
    } else if ContinuousClock.now - lastLine >= Self.lineInterval {
      lastLine = .now
      let rate = Double(record.step - resumedSteps) / max(elapsed.seconds, 1e-9)
      let left = Duration.seconds(Double(total - record.step) / max(rate, 1e-9))
      let place = String(format: "step %d/%d  epoch %.2f", record.step, total, record.epoch)
      let speed = String(format: "lr %.2e  %.2f steps/s", record.learningRate, rate)
      say("\(place)  \(note)  \(speed)  \(clock(left)) left")
    }
  }

  package func evaluation(_ record: EvaluationRecord, bestBy metric: BestMetric) {
    let metrics = record.metrics
    let shown = numbers(metrics, with: metric)
    let columns = Self.columns + shown.map { title($0.name) }
    if !hasHeading {
      hasHeading = true
      say(columns.map { pad($0) }.joined(separator: "  "))
    }
    let cells =
      [
        String(format: "%.2f", record.epoch), "\(record.step)",
        String(format: "%.6f", record.trainLoss), String(format: "%.6f", metrics.loss),
      ] + shown.map { $0.value.map { String(format: "%.6f", $0) } ?? "undefined" }
    say(zip(cells, columns).map { pad($0, to: max(8, $1.count)) }.joined(separator: "  "))
  }

  /// What the run leaves behind.
  package func best(path: String, _ metrics: any TaskMetrics, by metric: BestMetric) {
    let shown = numbers(metrics, with: metric) + [("validation loss", metrics.loss)]
    let numbers = shown.map { name, value in
      name + " " + (value.map { String(format: "%.4f", $0) } ?? "undefined")
    }
    say("best: \(numbers.joined(separator: ", ")) at \(path)")
  }

  /// The task's headline, and what decides which checkpoint is the best.
  private func numbers(
    _ metrics: any TaskMetrics, with metric: BestMetric
  ) -> [(name: String, value: Double?)] {
    let name = metric.rawValue
    guard name != "loss", !metrics.headline.contains(where: { $0.name == name }) else {
      return metrics.headline
    }
    return metrics.headline + [(name, metrics.score(name))]
  }

  /// - Parameter bytes: Of every rank.
  package func peakMemory(_ bytes: [Int]) {
    guard let most = bytes.max(), most > 0, let rank = bytes.firstIndex(of: most) else { return }
    say(String(format: "memory: at most %.0f MB resident, on rank %d", Double(most) / 1e6, rank))
  }

  /// `roc_auc` as a heading: ROC AUC.
  private func title(_ name: String) -> String {
    name.split(separator: "_").map { word in
      ["f1", "roc", "auc", "mse", "rmse", "mae"].contains(word)
        ? word.uppercased() : word.capitalized
    }.joined(separator: " ")
  }

  private func pad(_ text: String, to width: Int = 8) -> String {
    String(repeating: " ", count: max(0, max(width, 8) - text.count)) + text
  }

  private func clearBar() {
    bar?.clear()
    bar = nil
  }
}

/// h:mm:ss, or m:ss under an hour.
func clock(_ duration: Duration) -> String {
  let seconds = Int(duration.seconds.rounded())
  let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
  return hours > 0
    ? String(format: "%d:%02d:%02d", hours, minutes, seconds % 60)
    : String(format: "%d:%02d", minutes, seconds % 60)
}

extension Duration {
  package var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) / 1e18
  }
}
