import ArgumentParser
import Foundation
import Training

// How the command line's values are written.

extension LearningRateSchedule.Shape: ExpressibleByArgument {}
extension TrainingOptions.Exchange: ExpressibleByArgument {}
extension TrainingOptions.ShardVerification: ExpressibleByArgument {}
extension BestMetric: ExpressibleByArgument {}

extension TrainingOptions.Interval: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
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
