import COpenMPI
import Glibc

/// Whether ranks of one node can reach each other's memory, in both ways that a job does it.
package struct NodeReach: Sendable, Equatable, Codable {
  /// Reading another process's memory (process_vm_readv), which Open MPI's shared memory does with long
  /// messages; nil where the node has one rank.
  package let readsPeers: Bool?
  /// The system's reason where it refuses.
  package let refusal: String?
  /// Mapping another rank's buffers, as gradients are exchanged; nil where the node has one rank, and
  /// where the job's ranks are not powers of two, for which messages are used.
  package let sharesBuffers: Bool?

  package init(readsPeers: Bool?, refusal: String?, sharesBuffers: Bool?) {
    self.readsPeers = readsPeers
    self.refusal = refusal
    self.sharesBuffers = sharesBuffers
  }

  enum CodingKeys: String, CodingKey {
    case refusal
    case readsPeers = "reads_peers"
    case sharesBuffers = "shares_buffers"
  }
}

extension Communicator {
  /// Tries what the ranks of a node do with each other's memory; a collective call.
  package func nodeReach() throws(CollectiveError) -> NodeReach {
    let mark = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
    defer { mark.deallocate() }
    mark.initialize(to: 0x6c6f_636b_7374_6570 ^ UInt64(rank))
    let places = try gatherAll([UInt64(getpid()), UInt64(UInt(bitPattern: mark))])
    // Process numbers are good within one namespace of them.
    let world = "\(host) \(NeighbourProcesses.processWorld())"
    let worlds = try gatherAll(Array(world.utf8))
    let here = worlds.indices.filter { worlds[$0] == worlds[rank] }
    let peer = here.first { $0 > rank } ?? here.first { $0 < rank }
    var outcome: (reads: Bool, refusal: String?)?
    if let peer {
      var value: UInt64 = 0
      let count = lockstep_read_process(Int32(places[peer][0]), places[peer][1], &value, 8)
      let reason = count < 0 ? String(cString: strerror(errno)) : "other bytes than were there"
      let isRead = count == 8 && value == 0x6c6f_636b_7374_6570 ^ UInt64(peer)
      outcome = (isRead, isRead ? nil : reason)
    }
    // Nobody frees its mark before everybody has read, which the next collective call sees to.
    let isRegular = size.nonzeroBitCount == 1 && localSize.nonzeroBitCount == 1 && localSize > 1
    let shared = try NodeMemory.share([1024], self)
    return NodeReach(
      readsPeers: outcome?.reads, refusal: outcome?.refusal,
      sharesBuffers: isRegular ? shared != nil : nil)
  }
}
