import COpenMPI

/// Carries ``RankSign``s: from every rank to rank 0, and from rank 0 to every rank.
///
/// Messages are short enough to be sent without the receiver's help, so sending never waits. A peer
/// to which the last message has not left yet is sent no other.
final class SignChannel {
  /// The ranks that this one sends to and hears from.
  let peers: [Int]
  /// The newest sign of each peer that has sent one.
  private(set) var latest: [Int: RankSign] = [:]

  private static let bytes = 64
  private static let tag: Int32 = 1
  private var world: MPI_Comm?
  /// [peers, bytes], [peers]
  private let outgoing: UnsafeMutablePointer<UInt8>
  private let requests: UnsafeMutablePointer<MPI_Request?>

  /// A collective call.
  init(_ communicator: Communicator) throws(CollectiveError) {
    let rank = communicator.rank
    peers = rank == 0 ? Array(1..<communicator.size) : [0]
    outgoing = .allocate(capacity: peers.count * Self.bytes)
    outgoing.initialize(repeating: 0, count: peers.count * Self.bytes)
    requests = .allocate(capacity: peers.count)
    requests.initialize(repeating: lockstep_request_null(), count: peers.count)
    try communicator.check(MPI_Comm_dup(lockstep_comm_world(), &world), "MPI_Comm_dup")
  }

  deinit {
    outgoing.deallocate()
    requests.deallocate()
  }

  func send(_ sign: RankSign) {
    let message = sign.encoded(bytes: Self.bytes)
    for (index, peer) in peers.enumerated() {
      var isFree: Int32 = 0
      // What MPI makes of a peer that is gone is left to the ranks' waits, and to its silence.
      guard MPI_Test(requests + index, &isFree, lockstep_status_ignore()) == MPI_SUCCESS,
        isFree != 0
      else { continue }
      let buffer = outgoing + index * Self.bytes
      buffer.update(from: message, count: Self.bytes)
      MPI_Isend(
        buffer, Int32(Self.bytes), lockstep_byte(), Int32(peer), Self.tag, world, requests + index)
    }
  }

  /// The signs that have come since the last call, the newest of each rank.
  func receive() -> [(rank: Int, sign: RankSign)] {
    var heard: [Int] = []
    for peer in peers {
      while let sign = next(from: peer) {
        latest[peer] = sign
        if heard.last != peer { heard.append(peer) }
      }
    }
    return heard.compactMap { rank in latest[rank].map { (rank, $0) } }
  }

  private func next(from peer: Int) -> RankSign? {
    var hasCome: Int32 = 0
    guard
      MPI_Iprobe(Int32(peer), Self.tag, world, &hasCome, lockstep_status_ignore()) == MPI_SUCCESS,
      hasCome != 0
    else { return nil }
    var bytes = [UInt8](repeating: 0, count: Self.bytes)
    let code = MPI_Recv(
      &bytes, Int32(Self.bytes), lockstep_byte(), Int32(peer), Self.tag, world,
      lockstep_status_ignore())
    return code == MPI_SUCCESS ? RankSign(encoded: bytes) : nil
  }

  func close() {
    _ = receive()
    for index in peers.indices {
      MPI_Wait(requests + index, lockstep_status_ignore())
    }
    MPI_Comm_free(&world)
  }
}

extension RankSign {
  /// Step and progress as little-endian 64-bit integers, a byte of flags (1: asked to stop, 2: ending
  /// the job), the phase's length and its UTF-8, cut to what fits, and zeros.
  func encoded(bytes: Int) -> [UInt8] {
    var text = Array(phase.utf8.prefix(bytes - 18))
    let length = UInt8(text.count)
    text.append(contentsOf: repeatElement(0, count: bytes - 18 - text.count))
    let numbers = [UInt64(bitPattern: Int64(step)), progress].flatMap { number in
      (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }
    let flags: UInt8 = (isStopRequested ? 1 : 0) | (isEndingJob ? 2 : 0)
    return numbers + [flags, length] + text
  }

  init(encoded bytes: [UInt8]) {
    func number(_ start: Int) -> UInt64 {
      (0..<8).reduce(0) { $0 | UInt64(bytes[start + $1]) << (8 * $1) }
    }
    step = Int(Int64(bitPattern: number(0)))
    progress = number(8)
    isStopRequested = bytes[16] & 1 != 0
    isEndingJob = bytes[16] & 2 != 0
    phase = String(decoding: bytes[18...].prefix(Int(bytes[17])), as: UTF8.self)
  }
}
