import COpenMPI

extension Communicator {
  /// Brings every rank's bytes to rank 0, one rank's after the other's; a collective call.
  ///
  /// - Parameters:
  ///   - bytes: This rank's, of any length.
  ///   - take: Called on rank 0 with each rank and its bytes, in the order of the ranks.
  package func gatherToRoot(
    _ bytes: [UInt8], _ take: (_ rank: Int, _ bytes: [UInt8]) -> Void
  ) throws(CollectiveError) {
    guard size > 1 else { return take(0, bytes) }
    let lengths = try gatherLengths(bytes.count)
    guard rank == 0 else {
      try bytes.withUnsafeBufferPointer { bytes throws(CollectiveError) in
        try send(UnsafeRawBufferPointer(bytes), to: 0)
      }
      return
    }
    take(0, bytes)
    for peer in 1..<size {
      var received = [UInt8](repeating: 0, count: lengths[peer])
      try received.withUnsafeMutableBufferPointer { buffer throws(CollectiveError) in
        try receive(UnsafeMutableRawBufferPointer(buffer), from: peer)
      }
      take(peer, received)
    }
  }

  /// Sends bytes to a rank that calls ``receive(_:from:)`` for as many.
  func send(
    _ bytes: UnsafeRawBufferPointer, to peer: Int
  ) throws(CollectiveError) {
    for piece in pieces(of: bytes.count) {
      let base = bytes.baseAddress?.advanced(by: piece.lowerBound)
      try transfer("MPI_Isend", [peer]) { rank, request in
        MPI_Isend(
          base, Int32(piece.count), lockstep_byte(), rank, 0, lockstep_comm_world(), request)
      }
    }
  }

  /// Overwrites `buffer` with what the rank sends.
  func receive(
    _ buffer: UnsafeMutableRawBufferPointer, from peer: Int
  ) throws(CollectiveError) {
    for piece in pieces(of: buffer.count) {
      let base = buffer.baseAddress?.advanced(by: piece.lowerBound)
      try transfer("MPI_Irecv", [peer]) { rank, request in
        MPI_Irecv(
          base, Int32(piece.count), lockstep_byte(), rank, 0, lockstep_comm_world(), request)
      }
    }
  }
}
