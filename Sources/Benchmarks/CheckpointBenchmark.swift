import Checkpoints
import Collectives
import Encoders
import Foundation
import Kernels
import Training

/// Times the checkpoints of short training runs, written beside the steps and between them, and their
/// verification and loading.
///
/// The trainer itself makes the runs, on made-up rows, and what its log says of each save is the
/// result: metrics.jsonl in docs/formats.md.
package final class CheckpointBenchmark {
  package struct Save: Encodable, Sendable {
    /// async or sync.
    package let mode: String
    /// Medians over the saves but for a run's last, beside which there are no steps.
    package let seconds: Double
    package let blockedSeconds: Double
    /// nil where no step without a save was there to compare with.
    package let addedSeconds: Double?
    package let megabytesPerSecond: Double

    enum CodingKeys: String, CodingKey {
      case mode, seconds
      case blockedSeconds = "blocked_seconds"
      case addedSeconds = "added_seconds"
      case megabytesPerSecond = "megabytes_per_second"
    }
  }

  package struct Result: Encodable, Sendable {
    package let benchmark = "checkpoint"
    package let model: String
    package let threads: Int
    package let bytes: Int
    package let saves: [Save]
    /// Every hash computed anew; files in the system's cache.
    package let verifyMegabytesPerSecond: Double
    /// Weights and moments read into memory, after that.
    package let loadMegabytesPerSecond: Double
    /// One file of as many bytes, 1 GB at most, written and flushed.
    package let diskMegabytesPerSecond: Double
    package let ceilings: MachineCeilings
    /// The faster save by the disk.
    package let fraction: Double

    enum CodingKeys: String, CodingKey {
      case benchmark, model, threads, bytes, saves, ceilings
      case verifyMegabytesPerSecond = "verify_megabytes_per_second"
      case loadMegabytesPerSecond = "load_megabytes_per_second"
      case diskMegabytesPerSecond = "disk_megabytes_per_second"
      case fraction = "fraction_of_disk"
    }
  }

  private let model: BenchmarkModel
  private let threads: Int
  private let saves: Int
  private let stepsBetween: Int

  /// - Parameters:
  ///   - saves: Of each mode.
  ///   - stepsBetween: Steps from one save to the next.
  package init(model: BenchmarkModel, threads: Int, saves: Int, stepsBetween: Int) {
    precondition(saves > 0 && stepsBetween > 0, "nothing to measure")
    (self.model, self.threads) = (model, threads)
    (self.saves, self.stepsBetween) = (saves, stepsBetween)
  }

  /// - Throws: The error of a save, or of a hash that is not that of what was written.
  package func run() throws -> Result {
    let ceilings = try MachineCeilings(ThreadPool(threads: threads))
    let scratch = try ScratchFolder()
    let folder = try model.folder(in: scratch, ThreadPool(threads: threads))
    for (name, rows) in [("train", 1024), ("validation", 8)] {
      try TweetLikeRows(
        seed: 42, vocabularySize: model.configuration.vocabularySize,
        maxLength: model.configuration.maxPositions
      ).write(rows: rows, to: "\(scratch.path)/\(name)")
    }
    var results: [Save] = []
    var bytes = 0
    for mode in TrainingOptions.SaveMode.allCases {
      let records = try train(folder, scratch, mode)
      bytes = Int(records[0].bytes ?? 0)
      results.append(Self.summary(records.dropLast(), mode))
    }
    let last = "\(scratch.path)/\(TrainingOptions.SaveMode.allCases.last?.rawValue ?? "")/last"
    let verifying = try secondsOf { try Checkpoint(path: last).verify() }
    let loading = try secondsOfLoading(last)
    let disk = try Self.diskRate(scratch.path + "/plain", bytes: min(bytes, 1_000_000_000))
    let best = results.map(\.megabytesPerSecond).max() ?? 0
    return Result(
      model: model.name, threads: threads, bytes: bytes, saves: results,
      verifyMegabytesPerSecond: Double(bytes) / verifying / 1e6,
      loadMegabytesPerSecond: Double(bytes) / loading / 1e6, diskMegabytesPerSecond: disk,
      ceilings: ceilings, fraction: best / disk)
  }

  /// - Returns: The log's records of all saves.
  private func train(
    _ folder: String, _ scratch: ScratchFolder, _ mode: TrainingOptions.SaveMode
  ) throws -> [CheckpointRecord] {
    let run = "\(scratch.path)/\(mode.rawValue)"
    var options = TrainingOptions(
      model: folder, train: scratch.path + "/train", validation: scratch.path + "/validation",
      output: run)
    options.maxSteps = stepsBetween * (saves + 1)
    options.saveEvery = .steps(stepsBetween)
    options.evaluateEvery = .steps(stepsBetween * (saves + 1))
    options.keep = 1
    options.threads = threads
    options.saveMode = mode
    let communicator = try Communicator(exitCode: ExitCodes.code)
    let trainer = try Trainer(
      options, communicator: communicator, report: ConsoleReport(isSilent: true),
      interruption: Interruption(), readVocabulary: { nil })
    _ = try trainer.run()
    let lines = try String(contentsOfFile: run + "/metrics.jsonl", encoding: .utf8)
    let decoder = JSONDecoder()
    let records = lines.split(separator: "\n").compactMap {
      try? decoder.decode(CheckpointRecord.self, from: Data($0.utf8))
    }.filter { $0.event == "checkpoint" }
    guard records.count > saves else {
      throw BenchmarkError(
        place: run, expected: "\(saves + 1) checkpoints", found: "\(records.count)",
        remedy: "make room for four checkpoints, or name another folder with TMPDIR")
    }
    return records
  }

  private static func summary(
    _ records: ArraySlice<CheckpointRecord>, _ mode: TrainingOptions.SaveMode
  ) -> Save {
    let seconds = Timings(records.compactMap(\.seconds)).median
    let added = records.compactMap(\.addedSeconds)
    return Save(
      mode: mode.rawValue, seconds: seconds,
      blockedSeconds: Timings(records.compactMap(\.blockedSeconds)).median,
      addedSeconds: added.isEmpty ? nil : Timings(added).median,
      megabytesPerSecond: Double(records.first?.bytes ?? 0) / seconds / 1e6)
  }

  private func secondsOfLoading(_ path: String) throws -> Double {
    let model = EncoderModel(try ModelConfiguration(modelFolder: path))
    let arenas = (0..<3).map { _ in Arena(count: model.layout.count) }
    defer { withExtendedLifetime(arenas) {} }
    return try secondsOf {
      let checkpoint = try Checkpoint(path: path)
      _ = try loadParameters(
        of: model, from: checkpoint.model, into: arenas[0].base, initialisingWith: nil)
      for (moment, arena) in zip(OptimizerMoment.allCases, arenas.dropFirst()) {
        for parameter in model.layout.parameters {
          try checkpoint.readOptimizer(
            moment, of: parameter.name, shape: parameter.shape,
            into: arena.base + parameter.offset)
        }
      }
    }
  }

  private static func diskRate(_ path: String, bytes: Int) throws -> Double {
    // Not zeros, which some file systems do not write.
    let block = Data((0..<(8 << 20)).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) })
    guard FileManager.default.createFile(atPath: path, contents: nil),
      let file = FileHandle(forWritingAtPath: path)
    else {
      throw BenchmarkError(
        place: path, expected: "a file that can be written",
        found: String(cString: strerror(errno)), remedy: "name another folder with TMPDIR")
    }
    let seconds = try secondsOf {
      for start in stride(from: 0, to: bytes, by: block.count) {
        try file.write(contentsOf: block.prefix(min(block.count, bytes - start)))
      }
      try file.synchronize()
    }
    try file.close()
    return Double(bytes) / seconds / 1e6
  }
}
