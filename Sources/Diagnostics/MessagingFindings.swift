// What ranks of one machine send each other messages with.

extension Node {
  var messagingFindings: [Finding] {
    launcherFindings + (ranks.count > 1 ? peerFindings + transportFindings : [])
  }

  private var launcherFindings: [Finding] {
    ranks.compactMap { rank in
      if rank.launcher.size != rank.size {
        return Finding(
          .error, "launcher", [rank],
          expected:
            "\(rank.launcher.size) ranks together, as \(rank.launcher.name ?? "the launcher") says",
          found: "a communicator of \(rank.size): each process trains by itself",
          remedy: "start with the mpirun of \(rank.messaging.version), or under Slurm with "
            + "srun --mpi=pmix or --mpi=pmi2")
      }
      if let tasks = rank.launcher.batch?.tasks, tasks > 1, rank.launcher.name == nil {
        return Finding(
          .note, "not-launched", [rank], expected: "\(tasks) ranks in this job, as it asked for",
          found: "one process without a launcher", remedy: "start it as the launch line below says")
      }
      return nil
    }
  }

  private var peerFindings: [Finding] {
    ranks.flatMap { rank -> [Finding] in
      var findings: [Finding] = []
      if rank.reach.readsPeers == false, rank.messaging.singleCopy == "cma" {
        findings.append(
          Finding(
            .error, "peer-memory", [rank],
            expected: "ranks of a node to read each other's memory (process_vm_readv)",
            found: (rank.reach.refusal ?? "a refusal")
              + (rank.ptraceScope.map { ", ptrace_scope \($0)" } ?? ""),
            remedy:
              "mpirun --mca btl_vader_single_copy_mechanism none, as launch/local does, or give "
              + "the container SYS_PTRACE"))
      }
      if rank.reach.sharesBuffers == false {
        findings.append(
          Finding(
            .warning, "shared-gradients", [rank],
            expected: "ranks of a node to map each other's gradients",
            found: "a refusal: they are sent as messages",
            remedy: "run the node's ranks in one container and PID namespace"))
      }
      return findings
    }
  }

  private var transportFindings: [Finding] {
    let without = ranks.filter {
      $0.messaging.matching == "ob1" && !$0.messaging.transports.contains("vader")
    }
    guard !without.isEmpty else { return [] }
    return [
      Finding(
        .error, "node-transport", without,
        expected: "shared memory (vader) between ranks of a node",
        found: without[0].messaging.transports.joined(separator: ", "),
        remedy: "let OMPI_MCA_btl include vader, and see to /dev/shm")
    ]
  }
}
