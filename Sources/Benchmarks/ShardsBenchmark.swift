import Kernels
import Shards

/// Times the writing, the random reading and the verification of shards of made-up rows.
package final class ShardsBenchmark {
  /// Megabytes are of rows in memory (ids and labels, four bytes each), but for `verify`, which reads
  /// the compressed files.
  package struct Rate: Encodable, Sendable {
    package let rowsPerSecond: Double
    package let megabytesPerSecond: Double

    enum CodingKeys: String, CodingKey {
      case rowsPerSecond = "rows_per_second"
      case megabytesPerSecond = "megabytes_per_second"
    }

    init(rows: Int, bytes: Int, seconds: Double) {
      rowsPerSecond = Double(rows) / seconds
      megabytesPerSecond = Double(bytes) / seconds / 1e6
    }
  }

  package struct Result: Encodable, Sendable {
    package let benchmark = "shards"
    package let rows: Int
    package let tokens: Int
    package let shards: Int
    package let batchSize: Int
    package let fileBytes: Int64
    /// To the renamed folder.
    package let write: Rate
    package let verify: Rate
    /// An epoch in random order, each shard decoded when it is first used.
    package let read: Rate
    /// A second epoch: all rows are in memory.
    package let readAgain: Rate
    /// An epoch without room in memory: through HDF5 to the files, which the system has in its cache.
    package let readFiles: Rate
    package let ceilings: MachineCeilings
    /// Bytes of the second epoch by the triad's rate of one thread.
    package let fraction: Double

    enum CodingKeys: String, CodingKey {
      case benchmark, rows, tokens, shards, write, verify, read, ceilings
      case batchSize = "batch_size"
      case fileBytes = "file_bytes"
      case readAgain = "read_again"
      case readFiles = "read_files"
      case fraction = "fraction_of_triad"
    }
  }

  private let rows: TweetLikeRows
  private let count: Int
  private let shards: Int
  private let batchSize: Int
  private let seed: UInt64

  package init(rows: Int, shards: Int, batchSize: Int, seed: UInt64) {
    self.rows = TweetLikeRows(seed: seed, vocabularySize: 30522, maxLength: 128)
    (count, self.shards, self.batchSize, self.seed) = (rows, shards, batchSize, seed)
  }

  /// - Throws: `BenchmarkError` where a row is not read as it was written.
  package func run() throws -> Result {
    let ceilings = try MachineCeilings(ThreadPool(threads: 1))
    let scratch = try ScratchFolder()
    let path = scratch.path + "/shards"
    let made = (0..<count).map { rows.row($0) }
    let tokens = made.reduce(0) { $0 + $1.ids.count }
    let bytes = 4 * (tokens + count * TweetLikeRows.labelNames.count)
    func rate(_ bytes: Int, _ seconds: Double) -> Rate {
      Rate(rows: count, bytes: bytes, seconds: seconds)
    }
    var fileBytes: Int64 = 0
    let writing = try secondsOf {
      let writer = try TweetLikeRows.writer(
        rows: count, shards: shards, maxLength: rows.maxLength, to: path)
      for (number, row) in made.enumerated() {
        try writer.append(ids: row.ids, rowID: "\(number)", labels: row.labels)
      }
      fileBytes = try writer.finish().files.reduce(0) { $0 + $1.bytes }
    }
    let data = try ShardFolder(path: path)
    let verifying = try secondsOf {
      for shard in data.shardPaths.indices { try data.verifyShard(shard) }
    }
    let reading = try readEpoch(0, of: data)
    let again = try readEpoch(1, of: data)
    try check(data, made)
    let files = try readEpoch(2, of: ShardFolder(path: path, memoryLimit: 0))
    let readAgain = rate(bytes, again)
    return Result(
      rows: count, tokens: tokens, shards: data.shardPaths.count, batchSize: batchSize,
      fileBytes: fileBytes, write: rate(bytes, writing),
      verify: rate(Int(fileBytes), verifying), read: rate(bytes, reading), readAgain: readAgain,
      readFiles: rate(bytes, files), ceilings: ceilings,
      fraction: readAgain.megabytesPerSecond / (1000 * ceilings.gigabytesPerSecond))
  }

  /// Seconds for all rows in random order, batch by batch.
  private func readEpoch(_ epoch: Int, of data: ShardFolder) throws -> Double {
    var stream = PhiloxStream(seed: seed, epoch: UInt64(epoch))
    let order = EpochOrder(rows: count, using: &stream)
    return try secondsOf {
      for start in stride(from: 0, to: count, by: batchSize) {
        _ = try data.read(order[start..<min(count, start + batchSize)])
      }
    }
  }

  private func check(_ data: ShardFolder, _ made: [(ids: [Int32], labels: [Float])]) throws {
    for (number, row) in made.enumerated() {
      let found = try data.read([number])
      guard found.inputIDs != row.ids || found.labels.floats != row.labels else { continue }
      throw BenchmarkError(
        place: "row \(number) of \(data.path)", expected: "\(row.ids)", found: "\(found.inputIDs)",
        remedy: "test this machine's memory and disk")
    }
  }
}
