import ArgumentParser
import Encoders
import Foundation
import Training

// How the command line's values are written.

extension LearningRateSchedule.Shape: ExpressibleByArgument {}
extension TrainingOptions.Exchange: ExpressibleByArgument {}
extension TrainingOptions.ShardVerification: ExpressibleByArgument {}
extension TrainingOptions.EvaluationRanks: ExpressibleByArgument {}
extension TrainingOptions.SaveMode: ExpressibleByArgument {}
extension TrainingOptions.InitialWeights: ExpressibleByArgument {}
extension TrainingOptions.Overlap: ExpressibleByArgument {}
extension ModelConfiguration.Pooling: ExpressibleByArgument {}
extension BestMetric: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument) }
}

extension TrainingOptions.Interval: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}

extension TracedSteps: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}

extension TrainingOptions.PositiveWeight: ExpressibleByArgument {
  public init?(argument: String) {
    self = argument == "auto" ? .automatic : .file(path: argument)
  }
}

/// Refuses options that are given and that a task has no use for.
///
/// - Parameter reason: What follows the tasks that have one, of the name of the task in question.
/// - Throws: a usage error naming the option.
func refuse<Name: RawRepresentable<String> & Equatable>(
  _ options: [(name: String, isGiven: Bool, tasks: [Name])], foreignTo task: Name,
  reason: (String) -> String
) throws {
  for option in options where option.isGiven && !option.tasks.contains(task) {
    let others = option.tasks.map(\.rawValue).joined(separator: ", ")
    throw ValidationError("\(option.name): for \(others)\(reason(task.rawValue))")
  }
}

/// A size such as 5GB, 20MB, 800KB or 4096, in powers of ten as Hugging Face has it.
struct ByteCount: ExpressibleByArgument {
  let bytes: Int

  init(_ bytes: Int) { self.bytes = bytes }

  init?(argument: String) {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000), ("B", 1), ("", 1)]
    let text = argument.uppercased()
    guard let (unit, scale) = units.first(where: { text.hasSuffix($0.0) }),
      let number = Double(text.dropLast(unit.count)), number > 0, number * Double(scale) < 1e18
    else { return nil }
    bytes = Int(number * Double(scale))
  }

  var defaultValueDescription: String {
    bytes % 1_000_000_000 == 0 ? "\(bytes / 1_000_000_000)GB" : "\(bytes)"
  }
}

/// A span of time: 90m, 3600s, 2h, 1d, a number of seconds, or Slurm's [[days-]hours:]minutes:seconds.
struct TimeSpan: ExpressibleByArgument, Equatable {
  let duration: Duration

  init?(argument: String) {
    let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
    var seconds: Double?
    if argument.contains(":") {
      let days = argument.split(separator: "-", omittingEmptySubsequences: false)
      let clock = days[days.count - 1].split(separator: ":", omittingEmptySubsequences: false)
      let numbers = (days.dropLast() + clock).map { UInt32($0) }
      guard days.count <= 2, (2...3).contains(clock.count), !numbers.contains(nil) else {
        return nil
      }
      let scales = [86_400.0, 3600, 60, 1].suffix(
        days.count == 2 && clock.count == 3 ? 4 : clock.count)
      guard numbers.count == scales.count else { return nil }
      seconds = zip(numbers, scales).reduce(0) { $0 + Double($1.0 ?? 0) * $1.1 }
    } else if let unit = argument.last.flatMap({ units[$0] }) {
      seconds = Double(argument.dropLast()).map { $0 * unit }
    } else {
      seconds = Double(argument)
    }
    guard let seconds, seconds > 0, seconds < 1e9 else { return nil }
    duration = .seconds(seconds)
  }
}

/// The form of a result on standard output.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
  case text, json
}

/// One line of JSON on standard output, its keys sorted.
func printJSON(_ value: some Encodable) throws {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  print(String(decoding: try encoder.encode(value), as: UTF8.self))
}

/// One line of human text on standard error.
func writeLine(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
