import ArgumentParser
import Benchmarks
import Collectives

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures this machine, and what lockstep makes of it.",
    discussion: """
      Every result is checked before it is timed. A table goes to standard error and, with --format \
      json, one object to standard output. step and allreduce run under mpirun too.
      """,
    subcommands: [
      BenchStep.self, BenchGEMM.self, BenchMemory.self, BenchAllReduce.self, BenchTokenize.self,
      BenchShards.self, BenchCheckpoint.self,
    ])
}

/// - Throws: a usage error under a launcher of several ranks, each of which would measure by itself.
func requireOneProcess() throws {
  guard let ranks = Communicator.launcherSize, ranks > 1 else { return }
  throw ValidationError(
    "this benchmark is of one process: expected no mpirun, found \(ranks) ranks")
}

/// - Throws: a usage error for less than one.
func requirePositive(_ value: Int?, _ flag: String) throws {
  guard let value, value < 1 else { return }
  throw ValidationError("\(flag): expected at least 1, found \(value)")
}

/// A table on standard error: names, and values with their units.
func writeTable(_ rows: [(name: String, value: String)]) {
  let width = 2 + (rows.map(\.name.count).max() ?? 0)
  for (name, value) in rows { writeLine(padded(name, width) + value) }
}
