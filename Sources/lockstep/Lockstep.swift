import ArgumentParser
import Collectives
import Foundation
import Processors
import Training

@main
struct Lockstep: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lockstep",
    abstract: "Fine-tunes BERT-family encoders on CPU clusters.",
    discussion: """
      A table of texts and labels becomes shards (lockstep shard), shards and a pretrained model \
      become checkpoints (mpirun lockstep train), and a checkpoint labels new texts (lockstep \
      predict).

      Exit codes: 0 done, 64 bad usage, 65 bad data, 70 internal error, 75 interrupted after a \
      checkpoint: run the same command again to go on.
      """,
    version: Release.version,
    subcommands: [
      Tokenize.self, Shard.self, Train.self, Evaluate.self, Predict.self, Export.self, Inspect.self,
      Verify.self, Report.self, RecipeCommand.self, Bench.self, Doctor.self,
    ])

  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    let missing = Processor.current.missingFeatures
    // The doctor is for such machines too, and keeps to what they can run.
    guard missing.isEmpty || arguments.first == "doctor" else {
      writeLine(
        "lockstep: error: this processor: expected AVX2 and FMA, found no "
          + "\(missing.joined(separator: ", ")); build without the CPU flags of Package.swift, "
          + "and see lockstep doctor")
      Foundation.exit(ExitCodes.internalError)
    }
    do {
      var command = try parseAsRoot(Recipe.expand(arguments))
      try command.run()
    } catch {
      fail(error)
    }
  }

  /// Ends the process with an error's message and code.
  ///
  /// Under a launcher every rank comes here with the same bad usage: rank 0 speaks, and the others
  /// wait to be ended by the launcher, since one that exits first would take rank 0's message along.
  private static func fail(_ error: any Error) -> Never {
    if let code = error as? ArgumentParser.ExitCode { Foundation.exit(code.rawValue) }
    if let rank = Communicator.launcherRank, rank > 0 { sleep(5) }
    // The parser knows its own errors, and calls for help, by another code than 1.
    if exitCode(for: error) != .failure { exit(withError: error) }
    writeError(error)
    Foundation.exit(ExitCodes.code(for: error))
  }

  /// `lockstep: error: ...` on standard error.
  static func writeError(_ error: any Error) {
    writeLine("lockstep: error: \(error)")
  }
}
