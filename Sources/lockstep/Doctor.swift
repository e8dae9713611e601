import ArgumentParser
import Benchmarks
import Collectives
import Diagnostics
import Encoders
import Foundation
import Kernels
import Processors
import Training

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Says what this machine or job is, what is wrong with it, and how to start here.",
    discussion: """
      Under mpirun or srun it looks at every rank's machine, measures the links between them, and names \
      the ranks that each finding is about. Exit code 70 when a finding is an error, 0 when there are \
      warnings and notes only. It needs no AVX2, which everything else here does.
      """)

  @Option(
    help: "Model folder, or minilm, bert-base, bert-large: is there room to train it?",
    completion: .directory)
  var model: String?
  @Option(
    help: "Folder that runs are to lie in: is there room, and do locks work?",
    completion: .directory)
  var output = "."
  @Option(help: "Threads of a rank, as train will be told. (default: its cores, as train's)")
  var threads: Int?
  @Flag(inversion: .prefixedNo, help: "Measure cores, links and sums too; some seconds.")
  var measure = true
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func validate() throws { try requireThreads(threads) }

  func run() throws {
    var hasErrors = false
    let show: (Examination) throws -> Void = { examination in
      hasErrors = examination.hasErrors
      switch format {
      case .text: print(ExaminationText(examination).lines.joined(separator: "\n"))
      case .json: try printJSON(examination)
      }
      // mpirun drops what it has not read when a rank fails.
      fflush(nil)
    }
    let timer = startLimit()
    do {
      try onEveryRank(patience: .seconds(60)) { communicator in
        timer.cancel()
        return try examine(communicator)
      } show: {
        try show($0)
      }
    } catch is CollectiveError {
      // MPI could not bring the ranks together, which becomes a finding: each process is by itself, and
      // the first one speaks.
      timer.cancel()
      guard Communicator.launcherRank ?? 0 == 0 else { return }
      try show(examineAlone())
    }
    // On rank 0, which alone has shown it: another one's end would take rank 0's words along.
    if hasErrors { throw ArgumentParser.ExitCode(ExitCodes.internalError) }
  }

  /// Ends the process should the ranks not find each other, for which MPI has no limit of its own.
  private func startLimit() -> DispatchWorkItem {
    let limit = DispatchWorkItem {
      writeLine(
        "lockstep: error: MPI_Init: expected all ranks to be there within 120 s, found it still waiting; "
          + "look for a firewall between the hosts, and for the network to use "
          + "(mpirun --mca btl_tcp_if_include NETWORK --mca oob_tcp_if_include NETWORK)")
      _exit(ExitCodes.internalError)
    }
    DispatchQueue.global().asyncAfter(deadline: .now() + 120, execute: limit)
    return limit
  }

  /// A collective call.
  private func examine(_ communicator: Communicator) throws -> Examination {
    var own = try RankFacts(
      communicator, output: output,
      threads: threads ?? defaultThreads(localRanks: communicator.localSize))
    let (needs, omitted) = try communicator.agree { try self.needs() }
    let hasVectors = try communicator.sumAll([own.processor.vectors == .none ? 1 : 0])[0] == 0
    if measure, hasVectors { own.speed = try speed(communicator, own) }
    let ranks = try communicator.gatherFacts(own)
    let measurement = measure ? try Measurement(communicator, ranks) : nil
    return Examination(
      ranks, links: measurement?.links ?? [], clocks: measurement?.clocks ?? [],
      allReduce: measurement?.allReduce, needs: needs, omitted: omitted)
  }

  private func examineAlone() throws -> Examination {
    let facts = try RankFacts(
      nil, output: output, threads: threads ?? defaultThreads(localRanks: 1))
    let (needs, omitted) = try needs()
    return Examination([facts], needs: needs, omitted: omitted)
  }

  /// What each rank computes while the others do.
  private func speed(_ communicator: Communicator, _ own: RankFacts) throws -> RankFacts.Speed {
    communicator.enter("the measurement of cores")
    // No more threads than cores that it may use: what it has too many is a finding already.
    let cores = own.cores.physicalCount(own.cores.allowed)
    let pool = ThreadPool(threads: min(own.threads, max(1, cores)))
    _ = try communicator.sumAll([0])
    let found = try communicator.agree { try MachineCeilings(pool) }
    return RankFacts.Speed(gflops: found.gflops, gigabytesPerSecond: found.gigabytesPerSecond)
  }

  /// What the model needs, and what had to be left out.
  private func needs() throws -> (Needs?, omitted: [String]) {
    guard Processor.current.vectors != .none else {
      // Encoders, Kernels and OpenBLAS run code that this processor may not have.
      return (
        nil,
        [
          "BLAS and speeds" + (model == nil ? "" : " and --model")
            + ": they need the vectors that this processor lacks"
        ]
      )
    }
    guard let model else { return (nil, []) }
    let isFolder = FileManager.default.fileExists(atPath: model + "/config.json")
    let named = ModelConfiguration(named: model, labelNames: ["LABEL_0", "LABEL_1"])
    let configuration = try isFolder ? ModelConfiguration(modelFolder: model) : named
    guard let configuration else {
      throw TrainingError(
        .usage, "--model",
        expected: "a folder with config.json, or minilm, bert-base or bert-large",
        found: model, remedy: "name one of them")
    }
    let summary = ModelSummary(configuration)
    return (
      Needs(
        gradient: summary.weightBytes,
        training: summary.trainingBytes + summary.activationBytes,
        checkpoint: 3 * summary.weightBytes),
      []
    )
  }
}
